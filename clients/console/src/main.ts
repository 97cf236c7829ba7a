import "element-plus/dist/index.css";
import "element-plus/theme-chalk/dark/css-vars.css";
import "@zhenjian/design/tokens.css";
import "@/theme.css";
import { ElLoading } from "element-plus";
import { createApp } from "vue";
import App from "@/App.vue";
import { applyAppearance } from "@/support/appearance";
import { keepFocusInDialogs } from "@/support/modal-focus";
import { router } from "@/router";

applyAppearance();
keepFocusInDialogs();
createApp(App).use(router).use(ElLoading).mount("#app");
