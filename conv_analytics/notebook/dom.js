// Elements of a page, for every script here: texts become text nodes, and none is ever read as HTML.

/** An element: names beginning with "on" are listeners, null attributes are left out. */
export function make(name, attributes = {}, ...inner) { return filled(document.createElement(name), attributes, inner); }

export function makeSvg(name, attributes = {}, ...inner) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, inner);
}

function filled(node, attributes, inner) {
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (value !== null) node.setAttribute(key, value);
  }
  node.append(...inner);
  return node;
}

/** Whether the page around an element is dark: as it says, as its front end says, else as the reader's system is. */
export function isDark(root) {
  const html = document.documentElement, body = document.body;
  const forced = root.dataset.theme || html.dataset.theme || body.dataset.theme;
  if (forced) return forced === "dark";
  if (body.dataset.jpThemeLight) return body.dataset.jpThemeLight === "false";
  if (body.dataset.vscodeThemeKind) return /dark|high-contrast$/.test(body.dataset.vscodeThemeKind);
  // Colab says it of the page; marimo and others by a class.
  if (html.getAttribute("theme")) return html.getAttribute("theme") === "dark";
  for (const { classList } of [body, html]) {
    if (["dark", "dark-theme", "dark-mode"].some((name) => classList.contains(name))) return true;
    if (["light", "light-theme", "light-mode"].some((name) => classList.contains(name))) return false;
  }
  return matchMedia("(prefers-color-scheme: dark)").matches;
}

/** Call something whenever the page may have become dark or light; gives what ends it. */
export function watchTheme(changed) {
  const observer = new MutationObserver(changed), system = matchMedia("(prefers-color-scheme: dark)");
  const watched = { attributes: true, attributeFilter: ["data-jp-theme-light", "data-vscode-theme-kind", "data-theme", "theme", "class"] };
  for (const node of [document.body, document.documentElement]) observer.observe(node, watched);
  system.addEventListener("change", changed);
  return () => { observer.disconnect(); system.removeEventListener("change", changed); };
}

/** Copy a text; resolves to whether it worked. Pages opened from a file may not write to the clipboard: then the old way. */
export async function copyText(text, place = document.body) {
  try { await navigator.clipboard.writeText(text); return true; }
  catch {
    const area = make("textarea");
    area.value = text;
    place.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}
