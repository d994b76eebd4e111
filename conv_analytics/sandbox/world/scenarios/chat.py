"""Messages: chats in apps, and by SMS, WhatsApp, Viber, Messenger (contract 7.2, 7.3, 8.7)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from conv_analytics.sandbox.world.clock import iso
from conv_analytics.sandbox.world.legs import endpoint

if TYPE_CHECKING:
    from conv_analytics.sandbox.world.builder import ConversationBuilder
    from conv_analytics.sandbox.world.dice import Dice
    from conv_analytics.sandbox.world.records import Event, Member

Json = dict[str, Any]
TEXTS = (
    "Hello!", "Grüße — order 20931 is ready ✅", "متى تصل الطلبية؟", "איפה החבילה שלי?", "👩‍👩‍👧‍👦 says hi",
    "e\u0301le\u0300ve (combining)", "<script>alert('x')</script>", "line one\nline two\ttabbed", "=1+1", "",
    "🇺🇦🇯🇵", "ok", "null", "Z͑ͫa̴l̡g̢o", "\u202eright to left\u202c", "Where is my parcel? " * 40,
)  # fmt: skip
CUSTOM: Json = {"Order ID": 20931, "vip": True, "note": "leave at desk", "nested": {"List": [1, None, "x"]}}
MEDIA = "https://static.example.net/m"


def message_body(dice: Dice, kind: str) -> Json:
    """Write the body of one of the ten kinds of message."""
    bodies: dict[str, Json] = {
        "text": {"text": dice.pick(TEXTS)},
        "image": {"image": {"url": f"{MEDIA}/label.jpg"}},
        "audio": {"audio": {"url": f"{MEDIA}/note.ogg"}},
        "video": {"video": {"url": f"{MEDIA}/box.mp4"}},
        "file": {"file": {"url": f"{MEDIA}/Rechnung%20№7.pdf"}},
        "vcard": {"vcard": {"url": f"{MEDIA}/me.vcf"}, "image": {"url": f"{MEDIA}/me.png"}},
        "location": {"location": {"longitude": "-0.0853", "latitude": "51.5235", "name": "Depot",
                                  "address": "1 Sample Street"}},
        "template": {"template": {"name": "acme:pickup_ready", "parameters": ["20931", "17:30"],
                                  "whatsapp": {"policy": "deterministic", "locale": "en_GB"}}},
        "custom": {"custom": CUSTOM},
        "random": {},
    }  # fmt: skip
    return {"message_type": kind, **bodies[kind]}


KINDS = ("text", "image", "audio", "video", "file", "template", "custom", "vcard", "location", "random")


def send(builder: ConversationBuilder, member: Member | None, kind: str = "text") -> Event:
    """Send a message."""
    body = message_body(builder.dice, kind)
    if builder.dice.chance(0.2):
        body["timestamp"] = {"created": iso(builder.now)}
    return builder.event("message", member, body, message_type=kind)


def receipts(builder: ConversationBuilder, message: Event, readers: list[Member]) -> None:
    """Let each reader receive, and most of them see, a message."""
    for reader in readers:
        builder.wait(0.1, 3)
        builder.event("message:delivered", reader, {"event_id": str(message.id)})
        if builder.dice.chance(0.7):
            builder.wait(0.5, 90)
            builder.event("message:seen", reader, {"event_id": str(message.id)})


def chat(builder: ConversationBuilder) -> None:
    """Chat between app users: messages of all kinds, receipts, deletions, a rename, typing."""
    dice, created = builder.dice, builder.now
    members: list[Member] = []
    for number in range(dice.between(2, 4)):
        user = builder.people.agent(dice) if number == 0 else builder.people.customer(dice)
        member = builder.new_member(user, {"type": "app", "from": {"type": "app,sms"},
                                         "to": {"type": "app", "user": user.id}})  # fmt: skip
        if number:
            builder.invite(member, members[0])
            builder.wait(1, 60)
        if number < 3 or dice.chance(0.5):
            builder.join(member, by_admin=False)
        members.append(member)
    kinds = [*dice.shuffled(KINDS), *("text" for _ in range(dice.long_tail(5, 500, 1.05)))]
    for kind in kinds:
        sender = dice.pick(members)
        builder.wait(1, 120)
        if dice.chance(0.1):
            builder.ephemeral()
        message = send(builder, sender, kind)
        receipts(builder, message, [member for member in members if member is not sender])
        if dice.chance(0.04):
            builder.delete(message, sender)
    note = builder.event("custom:order:placed-1", members[0], {"orderId": 20931, "Total": "19.90"})
    builder.event("custom:typing_hint", members[0], {"deep": {"er": {"and": ["deeper", {"🙂": None}]}}})
    builder.delete(note, members[0])
    builder.display_name = "Intake líne 🚚"
    builder.update(created)
    if dice.chance(0.4):
        builder.leave(members[-1], "left", "bye")


def channel_messages(builder: ConversationBuilder) -> None:
    """Messages to a customer's phone by a messaging channel, some refused or lost."""
    dice = builder.dice
    kind = dice.pick(("sms", "whatsapp", "viber", "messenger", "mms"))
    agent = builder.new_member(builder.people.agent(dice), {"type": "app"})
    builder.join(agent)
    user = builder.people.customer(dice)
    to: Json = {"type": kind, "id": user.number} if kind in {"viber", "messenger"} else endpoint(kind, user.number)
    customer = builder.new_member(user, {"type": kind, "to": to, "from": endpoint("sms", "12025550100")})
    builder.invite(customer, agent)
    builder.join(customer)
    for n in range(dice.between(4, 8) + dice.long_tail(2, 300)):
        message = send(builder, agent, dice.pick(("text", "text", "image", "template", "location", "custom")))
        builder.wait(0.2, 3)
        outcome = ("rejected", "undeliverable")[n] if n < len(("rejected", "undeliverable")) else "delivered"
        channel_status(builder, agent, customer, message, kind, failed=outcome != "delivered")
        builder.event("message:submitted", customer, {"event_id": str(message.id)})
        builder.wait(0.5, 20)
        builder.event(f"message:{outcome}", customer, {"event_id": str(message.id)})
        if outcome == "delivered" and dice.chance(0.6):
            builder.wait(2, 600)
            builder.event("message:seen", customer, {"event_id": str(message.id)})
            receipts(builder, send(builder, customer), [agent])
    builder.leave(agent, "done", "closed")


def channel_status(
    builder: ConversationBuilder, agent: Member, customer: Member, message: Event, kind: str, *, failed: bool
) -> None:
    """Write member:message:status with a copy of the message, and an error when it failed."""
    copy = {name: value for name, value in message.body.items() if name != "timestamp"}
    template = copy.get("template")
    if template is not None:  # whatsapp stands beside template here (contract 7.3)
        copy["template"] = {name: value for name, value in template.items() if name != "whatsapp"}
        copy["whatsapp"] = template["whatsapp"]
    body: Json = {"original_event_id": str(message.id), "channel_type": kind, "from": agent.id,
                  "to": customer.id, "message_uuid": builder.dice.uuid(), **copy}  # fmt: skip
    if failed:
        body["error"] = {"type": "https://developer.vonage.com/api-errors/messages#1320", "title": 1320,
                         "detail": "Channel not configured", "instance": builder.dice.uuid()}  # fmt: skip
    builder.event("member:message:status", customer, body)
