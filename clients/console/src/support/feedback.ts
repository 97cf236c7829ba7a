import { ElMessage, ElMessageBox } from "element-plus";
import { asProblem } from "@/api/problem";

export function tell(text: string): void {
  ElMessage({ message: text, type: "success", grouping: true, plain: true });
}

export function warn(text: string): void {
  ElMessage({ message: text, type: "error", grouping: true, plain: true, duration: 5000 });
}

/** Runs an action and tells when it was refused; resolves with whether it succeeded. */
export async function attempt(work: () => Promise<unknown>, done?: string): Promise<boolean> {
  try {
    await work();
    if (done) tell(done);
    return true;
  } catch (error) {
    warn(asProblem(error).text);
    return false;
  }
}

export async function confirmed(title: string, text: string, yes: string, danger = false) {
  try {
    await ElMessageBox.confirm(text, title, {
      confirmButtonText: yes,
      cancelButtonText: "取消",
      ...(danger ? { confirmButtonClass: "el-button--danger" } : {}),
      autofocus: false,
    });
    return true;
  } catch {
    return false;
  }
}

/** Asks for one line of text; null when the person would rather not. */
export async function asked(title: string, text: string, value = ""): Promise<string | null> {
  try {
    const answer = await ElMessageBox.prompt(text, title, {
      inputValue: value,
      inputValidator: (typed: string) => typed.trim().length <= 40 || "最多 40 个字",
      confirmButtonText: "保存",
      cancelButtonText: "取消",
    });
    return (answer as { value: string }).value.trim();
  } catch {
    return null;
  }
}
