import { copyText } from "../dom.js";

for (const button of document.querySelectorAll("button[data-copy]")) {
  button.addEventListener("click", async () => {
    const label = button.textContent;
    button.textContent = (await copyText(button.dataset.copy)) ? "copied" : "could not copy";
    setTimeout(() => { button.textContent = label; }, 1500);
  });
}
addEventListener("beforeprint", () => { for (const each of document.querySelectorAll("details")) each.open = false; });
