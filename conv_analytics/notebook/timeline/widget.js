// A timeline as a widget: the frame's rows that are selected go back to Python.
import { make, watchTheme } from "../dom.js";
import { upgrade } from "./input.js";

export default {
  async render({ model, el }) {
    const root = make("div"), ending = new AbortController(), { signal } = ending;
    el.append(root);
    let timeline = null;
    const fill = async () => {
      const payload = model.get("payload");
      root.innerHTML = model.get("frame_html");
      const made = await upgrade(root.querySelector("[data-ca-timeline]"), payload,
        (items) => { model.set("rows", items); model.save_changes(); });
      timeline?.leave();
      timeline = made;
    };
    const unwatch = watchTheme(() => timeline?.themed());
    // On paper the table is open.
    const opened = (yes) => () => root.querySelector(".ca-rows")?.toggleAttribute("open", yes);
    addEventListener("beforeprint", opened(true), { signal });
    addEventListener("afterprint", opened(false), { signal });
    model.on("change:payload", fill);
    await fill();
    return () => { model.off("change:payload", fill); unwatch(); ending.abort(); timeline?.leave(); };
  },
};
