for (const button of document.querySelectorAll("button[data-copy]")) {
  button.addEventListener("click", async () => {
    const text = button.dataset.copy, before = button.textContent;
    let done = true;
    try { await navigator.clipboard.writeText(text); }
    catch {
      // Pages opened from a file may not write to the clipboard: the old way still works.
      const area = document.createElement("textarea");
      area.value = text;
      document.body.append(area);
      area.select();
      done = document.execCommand("copy");
      area.remove();
    }
    button.textContent = done ? "copied" : "could not copy";
    setTimeout(() => { button.textContent = before; }, 1500);
  });
}
addEventListener("beforeprint", () => { for (const each of document.querySelectorAll("details")) each.open = false; });
