"""Where commands come in: each message on a ``…/set`` topic is understood, refused, or made to wait.

Refusal is the default. A command for a charger of which nothing is known yet waits for the first detail,
because its limits and its body come from there.
"""

import contextlib
import logging
from collections.abc import Iterable

from wallbox2mqtt.bridge.command_queue import QueuedCommand
from wallbox2mqtt.bridge.reader import Reader
from wallbox2mqtt.bridge.shared import Shared
from wallbox2mqtt.catalogue import FIELDS, Field, parse, read_payload
from wallbox2mqtt.errors import InvalidPayloadError
from wallbox2mqtt.mqtt import Message, Reply
from wallbox2mqtt.topics import LONGEST_REPLY, CommandTopic, Topics

_LOG = logging.getLogger(__name__)

MAX_WAITING = 1000


class CommandHandler:
    """Takes messages from the broker; the main thread calls it."""

    def __init__(
        self, shared: Shared, topics: Topics, reader: Reader, allowed: frozenset[str], *, accept_retained: bool
    ) -> None:
        """Start with nothing that waits; ``allowed``: the permissions that the configuration gives."""
        self._topics, self._reader, self._allowed = topics, reader, allowed
        self._states, self._registry, self._queue = shared.states, shared.registry, shared.queue
        self._results, self._clock, self._max_age_s = shared.results, shared.clock, shared.max_age_s
        self._accept_retained = accept_retained
        self._waiting: list[tuple[Message, QueuedCommand]] = []

    def __len__(self) -> int:
        """Return the number of commands that wait for a first detail."""
        return len(self._waiting)

    def take(self, message: Message) -> None:
        """Take a message on a command topic."""
        topic = self._topics.parse_command(message.topic)
        if topic is None:
            return
        if topic.charger == "bridge":
            self._take_for_bridge(topic, message)
            return
        charger_id = topic.charger_id
        if charger_id is None or not topic.key:
            _LOG.warning("ignored a message, this is no command of a charger topic=%.200s", message.topic)
            return
        self._sort(message, QueuedCommand(charger_id, topic.key, message.arrived, self._reply(message)))

    def _reply(self, message: Message) -> Reply | None:
        """Return where the answer is wanted; nowhere where it must not go: the command counts all the same."""
        reply = message.reply
        if reply is None:
            return None
        if self._topics.may_reply_to(reply.topic) and len(reply.correlation or b"") <= LONGEST_REPLY:
            return reply
        _LOG.warning("no answer goes to this response topic topic=%.200s", reply.topic)
        return None

    def _take_for_bridge(self, topic: CommandTopic, message: Message) -> None:
        if topic.key != "refresh":
            _LOG.warning("ignored a message, the bridge knows no such command topic=%.200s", message.topic)
        elif (reason := self._why_stored(message)) is not None:
            _LOG.warning("ignored a message, %s topic=%.200s", reason, message.topic)
        else:
            self._reader.want_all()

    def _sort(self, message: Message, command: QueuedCommand) -> None:
        if command.charger_id not in self._registry.chargers:
            if self._registry.was_listed or self._states.has_detail(command.charger_id):
                _LOG.warning("ignored a command for an unknown charger topic=%.200s", message.topic)
                return
        elif (reason := self._why_stored(message)) is not None:
            self._reject(command, reason)
            return
        elif (problem := self._refusal_of(command.charger_id)) is not None:
            self._reject(command, problem)
            return
        elif self._states.has_detail(command.charger_id) or command.key == "refresh":
            self._understand(message, command)
            return
        elif self._command_of(message, command) is None:
            return
        else:
            self._reader.want(command.charger_id)
        if len(self._waiting) >= MAX_WAITING:
            if command.charger_id in self._registry.chargers:
                self._results.failed(command, "too many commands wait for the first reading")
            else:
                _LOG.warning("dropped a command, too many wait for the list of chargers topic=%.200s", message.topic)
            return
        self._waiting.append((message, command))

    def _refusal_of(self, charger_id: int) -> str | None:
        """Return why a charger's commands would only wait in vain, or None."""
        if self._states.has_detail(charger_id) and charger_id in self._registry.readable:
            return None
        return self._registry.problem_of(charger_id)

    def _why_stored(self, message: Message) -> str | None:
        """Return why a message may have been stored, and so is no command; None for a live one."""
        if message.retained and not self._accept_retained:
            return "the message was retained: the broker would replay it at every start"
        if message.stored:
            return "the broker may be delivering what it had stored; send it again"
        return None

    def _command_of(self, message: Message, command: QueuedCommand) -> tuple[Field, str] | None:
        """Return the row and the text of a command; None where it is refused, whatever the charger shows."""
        row = FIELDS.get(command.key)
        if row is None or row.command is None:
            accepted = " ".join(field.key for field in FIELDS.values() if field.command is not None)
            problem = "unknown" if row is None else "read-only"
            self._reject(command, f"{command.key[:100]} is {problem}; fields that take commands: {accepted}")
            return None
        try:
            return row, read_payload(message.payload)
        except InvalidPayloadError as error:
            self._reject(command, str(error))
            return None

    def _understand(self, message: Message, command: QueuedCommand) -> None:
        if (found := self._command_of(message, command)) is None:
            return
        row, text = found
        try:
            command.intent = parse(row, text, self._states.view(command.charger_id), self._allowed)
        except InvalidPayloadError as error:
            self._reject(command, str(error))
            return
        if row.command is not None and row.command.request is None:
            if (superseded := self._reader.refresh(command)) is not None:
                self._results.superseded(superseded)
            return
        for superseded in self._queue.add(command):
            self._results.superseded(superseded)

    def _reject(self, command: QueuedCommand, reason: str) -> None:
        _LOG.info("rejected a command charger=%d field=%.100s reason=%r", command.charger_id, command.key, reason)
        self._states.republish(command.charger_id, [command.key])
        self._results.rejected(command, reason)

    def look_again(self, charger_ids: Iterable[int] = ()) -> None:
        """Sort what waits once more: these chargers' details have been read, or the chargers were listed."""
        self._expire()
        waiting, self._waiting = self._waiting, []
        ready = set(charger_ids)
        for message, command in waiting:
            listed = self._registry.was_listed and command.charger_id not in self._registry.chargers
            known = self._states.has_detail(command.charger_id) or self._refusal_of(command.charger_id) is not None
            if command.charger_id in ready or listed or known:
                self._sort(message, command)
            else:
                self._waiting.append((message, command))

    def ask_again(self) -> None:
        """Ask once more for the details for which commands wait; the last read of one may have failed."""
        self._expire()
        for charger_id in {command.charger_id for _, command in self._waiting} & set(self._registry.chargers):
            self._reader.want(charger_id)

    def _expire(self) -> None:
        now = self._clock.monotonic()
        old = [entry for entry in self._waiting if now - entry[1].arrived >= self._max_age_s]
        self._waiting = [entry for entry in self._waiting if entry not in old]
        for message, command in old:
            if self._may_be_ours(command):
                self._guess(message, command)
                self._results.expired(command)
            else:
                _LOG.warning("dropped a command for an unknown charger topic=%.200s", message.topic)

    def _may_be_ours(self, command: QueuedCommand) -> bool:
        """Return whether the charger is known, or may be: nobody knows before the first list."""
        return command.charger_id in self._registry.chargers or not self._registry.was_listed

    def _guess(self, message: Message, command: QueuedCommand) -> None:
        """Understand a command that ends before the first detail, as far as that goes: its result tells the value."""
        row = FIELDS.get(command.key)
        if row is not None:
            with contextlib.suppress(InvalidPayloadError):
                text = read_payload(message.payload)
                command.intent = parse(row, text, self._states.view(command.charger_id), self._allowed)

    def drain(self) -> list[QueuedCommand]:
        """Take out all that wait."""
        waiting, self._waiting = self._waiting, []
        ours = [(message, command) for message, command in waiting if self._may_be_ours(command)]
        for message, command in ours:
            self._guess(message, command)
        return [command for _, command in ours]
