"""The least that a front end of anywidgets does, in a page: `@anywidget/types` and nothing else.

    host = WidgetHost(page, explore(frames), shadow=True)
    host.page.locator("tbody tr").first.click()

The widget is the real one in this process: what the page saves arrives as ipywidgets' own messages, and what Python
sends, `host.sent`, is given to the page. VS Code, Colab and others are such hosts; what a widget needs beyond it fails.
"""

from __future__ import annotations

from itertools import count
from typing import Any

from comm.base_comm import BaseComm
from playwright.sync_api import Page

_NUMBERS = count(1)

HOST = """
async ([name, state, shadow]) => {
  const { _esm: esm, _css: css, ...values } = state;
  const listeners = new Map(), dirty = new Set();
  const known = (key) => { if (!(key in values)) throw new Error(`the model has no ${key}`); };
  const fire = (event) => { for (const each of [...(listeners.get(event) ?? [])]) each(); };
  const arrived = (changes) => {
    for (const [key, value] of Object.entries(changes)) {
      known(key);
      if (JSON.stringify(values[key]) === JSON.stringify(value)) continue;
      values[key] = value;
      fire(`change:${key}`);
    }
  };
  const model = {
    get(key) { known(key); return structuredClone(values[key]); },
    set(key, value) { known(key); values[key] = structuredClone(value); dirty.add(key); fire(`change:${key}`); },
    on(event, listener) { listeners.set(event, (listeners.get(event) ?? new Set()).add(listener)); },
    off(event, listener) {
      if (!event) listeners.clear();
      else if (!listener) listeners.delete(event);
      else listeners.get(event)?.delete(listener);
    },
    save_changes() {
      const changes = Object.fromEntries([...dirty].map((key) => [key, values[key]]));
      dirty.clear();
      window[`${name}_kernel`](changes).then((sent) => sent.forEach(arrived));
    },
    send() { throw new Error('no custom messages here'); },
    widget_manager: {},
  };
  const place = document.createElement('div');
  document.body.append(place);
  const inner = shadow ? place.attachShadow({ mode: 'open' }) : place, el = document.createElement('div');
  const style = document.createElement('style');
  style.textContent = css ?? '';
  inner.append(style, el);
  const before = new Set(Object.keys(globalThis));
  const module = await import(URL.createObjectURL(new Blob([esm], { type: 'text/javascript' })));
  const widget = typeof module.default === 'function' ? await module.default() : module.default;
  const end = [await widget.initialize?.({ model }), await widget.render({ model, el })];
  window[name] = {
    arrived, model, el, listening: () => [...listeners.values()].reduce((sum, each) => sum + each.size, 0),
    end: () => { for (const each of end) each?.(); place.remove(); },
    globals: () => Object.keys(globalThis).filter((key) => !before.has(key) && key !== name),
  };
}
"""


class WidgetHost:
    """A widget in a page; its traits and the page's model follow each other.

    Attributes
    ----------
    sent
        The states that Python sent, each a message.
    received
        The states that the page sent.
    """

    def __init__(self, page: Page, widget: Any, *, shadow: bool = True) -> None:
        self.page, self.widget = page, widget
        name = self._name = f"host{next(_NUMBERS)}"
        self.sent: list[dict[str, Any]] = []
        self.received: list[dict[str, Any]] = []
        state = {key: value for key, value in widget.get_state().items() if key != "layout"}
        widget.comm = self._comm = Wire(self.sent)
        page.expose_function(f"{name}_kernel", self._save)
        page.evaluate(HOST, [name, state, shadow])

    def _save(self, changes: dict[str, Any]) -> list[dict[str, Any]]:
        """What the page saves reaches the widget; gives what that sends to the page."""
        self.received.append(changes)
        before = len(self.sent)
        data = {"method": "update", "state": changes, "buffer_paths": []}
        self._comm.handle_msg({"content": {"data": data}, "buffers": []})
        return self.sent[before:]

    def push(self, before: int) -> None:
        """Give the page what Python has sent since there were so many messages."""
        for state in self.sent[before:]:
            self.page.evaluate(f"state => {self._name}.arrived(state)", state)

    def until(self, expression: str) -> None:
        """Wait until an expression is true; `host` is what is known of the widget there."""
        self.page.wait_for_function(f"() => (host => {expression})(window.{self._name})")

    def value(self, expression: str) -> Any:
        """The value of an expression in the page; `host` is what is known of the widget there."""
        return self.page.evaluate(f"(host => {expression})(window.{self._name})")


class Wire(BaseComm):  # type: ignore[misc]
    """A comm that keeps what is sent."""

    def __init__(self, sent: list[dict[str, Any]]) -> None:
        self._sent = sent
        super().__init__()

    def publish_msg(self, msg_type: str, data: Any = None, **_more: Any) -> None:
        if msg_type == "comm_msg" and data["method"] == "update":
            self._sent.append(data["state"])
