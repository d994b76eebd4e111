// Pictures of timelines in a page become live.
import { watchTheme } from "../dom.js";
import { upgrade } from "./input.js";

// One watcher per page, however many timelines come and go: those that left the page are forgotten.
function watch(timeline) {
  const shared = (globalThis.convAnalyticsTimelines ??= { live: new Set(), watched: false });
  const forget = (each) => { each.leave(); shared.live.delete(each); };
  for (const each of shared.live) if (!each.root.isConnected) forget(each);
  shared.live.add(timeline);
  if (shared.watched) return;
  shared.watched = true;
  watchTheme(() => { for (const each of shared.live) if (each.root.isConnected) each.themed(); else forget(each); });
  // On paper the table is open.
  const opened = (yes) => () => { for (const { root } of shared.live) root.querySelector(".ca-rows")?.toggleAttribute("open", yes); };
  addEventListener("beforeprint", opened(true));
  addEventListener("afterprint", opened(false));
}

for (const root of document.querySelectorAll("[data-ca-timeline]:not([data-live])")) {
  const payload = root.querySelector('script[type="application/json"]');
  if (payload) {
    root.dataset.live = "soon";
    upgrade(root, JSON.parse(payload.textContent).gz).then((timeline) => timeline && watch(timeline));
  }
}
