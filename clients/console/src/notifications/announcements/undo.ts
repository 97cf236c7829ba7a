import { ElButton, ElMessage } from "element-plus";
import { h } from "vue";

const UNDO_MS = 8000;

/** Says what was done and offers to take it back for some seconds. */
export function tellUndoable(text: string, undo: () => void): void {
  const shown = ElMessage({
    type: "success",
    plain: true,
    duration: UNDO_MS,
    showClose: true,
    message: h("span", { style: "display:inline-flex;align-items:center;gap:12px" }, [
      text,
      h(
        ElButton,
        {
          link: true,
          type: "primary",
          "data-testid": "undo",
          onClick: () => {
            shown.close();
            undo();
          },
        },
        () => "撤销",
      ),
    ]),
  });
}
