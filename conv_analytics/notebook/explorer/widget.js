// Shared by the widgets of the explorer and of the export: Python decides what is shown, and answers requests.
import { isDark, make, watchTheme } from "../dom.js";

/** Sends requests to Python: the model keeps those without an answer, so that none is lost where a front end sends only the last value. */
export function requestSender(model) {
  const unanswered = () => model.get("requests").filter(({ n }) => n > model.get("answered"));
  const send = (message) => {
    const n = Math.max(model.get("answered"), ...model.get("requests").map((each) => each.n)) + 1;
    model.set("requests", [...unanswered(), { n, ...message }]);
    model.save_changes();
  };
  // A front end saves the model: nothing that was typed stays in it.
  const forget = () => queueMicrotask(() => { if (model.get("requests").length && !unanswered().length) model.set("requests", []); });
  model.on("change:answered", forget);
  return Object.assign(send, { pending: () => unanswered().length > 0, end: () => model.off("change:answered", forget) });
}

/** Calls show(names) with the traits that changed, once for all that came together, and first with all; gives what ends it. */
export function follow(model, names, show) {
  let changed = new Set(), ended = false;
  const shown = () => { const now = changed; changed = new Set(); if (!ended) show(now); };
  const listeners = names.map((name) => [`change:${name}`, () => { if (!changed.size) queueMicrotask(shown); changed.add(name); }]);
  for (const [event, listener] of listeners) model.on(event, listener);
  show(new Set(names));
  return () => { ended = true; for (const [event, listener] of listeners) model.off(event, listener); };
}

/** The element that a widget draws in, as light or dark as the page; and what ends that. */
export function frame(el, ...inner) {
  // JupyterLab's own keys rest while the focus is in here.
  const root = make("div", { class: "ca-widget", "data-lm-suppress-shortcuts": "true" }, ...inner);
  const themed = () => { root.dataset.caTheme = isDark(root) ? "dark" : "light"; };
  el.append(root);
  themed();
  return watchTheme(themed);
}

/** What has the focus: beyond a shadow root the page only knows its host. */
export const focusedIn = (root) => root.getRootNode().activeElement ?? null;
