// The timeline of the call that is open, below the calls.
import { make } from "../dom.js";
import { upgrade } from "../timeline/input.js";

export class Opened {
  constructor(root, onSelect) { Object.assign(this, { root, onSelect, timeline: null }); }

  /** Show a conversation, or why it cannot be shown; an empty one is none. */
  async show(conversation) {
    this.shown = conversation;
    const { id, title, span, summary, payload, error } = conversation;
    if (!payload) {
      this.swap(null, error ? make("div", { class: "ca-explore" }, make("p", { class: "ca-wrong", role: "alert" }, error)) : null);
      return;
    }
    const quiet = (text) => make("p", { class: "ca-quiet" }, text);
    const root = make("div", { class: "ca-timeline", "data-ca-timeline": "", role: "region", "aria-label": `Timeline of ${id}` },
      make("p", { dir: "auto" }, make("strong", {}, title), " ", make("code", {}, id)), quiet(span), quiet(summary));
    const timeline = await upgrade(root, payload, (rows) => this.onSelect(id, rows));
    // Another one may have been opened meanwhile.
    if (this.shown !== conversation) timeline?.leave();
    else if (timeline) this.swap(timeline, root);
    else this.swap(null, root, make("p", {}, `This browser cannot draw it: ${root.dataset.error}`));
  }

  swap(timeline, ...inner) {
    this.timeline?.leave();
    this.timeline = timeline;
    this.root.replaceChildren(...inner.filter(Boolean));
  }

  themed() { this.timeline?.themed(); }

  end() { this.shown = null; this.swap(null); }
}
