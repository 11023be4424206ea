"""Where commands come in: each message on a ``…/set`` topic is queued, rejected, or held for a reading.

Refusal is the default. A command whose limits or body depend on a field that has not been read yet waits for the
first detail of its charger.
"""

import contextlib
import logging
from collections.abc import Iterable

from wallbox2mqtt.bridge.command_queue import QueuedCommand
from wallbox2mqtt.bridge.reader import Reader
from wallbox2mqtt.bridge.shared import Shared
from wallbox2mqtt.catalogue import FIELDS, FirstValues, Intent, NotReadYetError, Values, parse, read_payload
from wallbox2mqtt.config import CommandsConfig
from wallbox2mqtt.errors import InvalidPayloadError
from wallbox2mqtt.log import RepeatedFault
from wallbox2mqtt.mqtt import Message, Reply
from wallbox2mqtt.topics import LONGEST_REPLY, CommandTopic, Topics

_LOG = logging.getLogger(__name__)

_RETAINED = "the message was retained: the broker would replay it at every start"
_STORED = "the broker may be delivering what it had stored; send it again"


class CommandHandler:
    """Takes messages from the broker; the main thread calls it."""

    def __init__(
        self, shared: Shared, topics: Topics, reader: Reader, commands: CommandsConfig, allowed: frozenset[str]
    ) -> None:
        """Start without a message; ``allowed``: the permissions that the configuration gives."""
        self._topics, self._reader, self._commands, self._allowed = topics, reader, commands, allowed
        self._states, self._registry, self._queue = shared.states, shared.registry, shared.queue
        self._results, self._schedules = shared.results, shared.schedule_reads
        self._ignored = RepeatedFault(_LOG, "ignored what others publish", "", shared.clock)

    def take(self, message: Message) -> None:
        """Take a message on a command topic."""
        topic = self._topics.parse_command(message.topic)
        if topic is None:
            return
        refusal = self._why_stored(message)
        if topic.charger == "bridge":
            self._take_for_bridge(topic, message, refusal)
            return
        charger_id = topic.charger_id
        if charger_id is None or not topic.key:
            self._ignore("this is no command of a charger", message.topic)
            return
        self._dispatch(
            QueuedCommand(
                charger_id,
                topic.key,
                message.arrived,
                self._reply(message),
                payload=message.payload,
                refusal=refusal,
                expires=min(message.arrived + self._commands.max_age_s, message.expires),
            )
        )

    def _why_stored(self, message: Message) -> str | None:
        """Return why a message may have been stored, and so is no command; None for a live one."""
        if message.retained and not self._commands.accept_retained:
            return _RETAINED
        return _STORED if message.stored else None

    def _reply(self, message: Message) -> Reply | None:
        """Return where the answer is wanted; nowhere where it must not go: the command counts all the same."""
        reply = message.reply
        if reply is None:
            return None
        if self._topics.may_reply_to(reply.topic) and len(reply.correlation or b"") <= LONGEST_REPLY:
            return reply
        self._ignore("no answer goes to this response topic", reply.topic)
        return None

    def _ignore(self, reason: str, topic: str) -> None:
        """Log what is ignored, not each time: a client could fill a disk with it."""
        self._ignored.occurs(reason, f"reason={reason!r} topic={topic:.200}")

    def _take_for_bridge(self, topic: CommandTopic, message: Message, refusal: str | None) -> None:
        if topic.key != "refresh":
            self._ignore("the bridge knows no such command", message.topic)
        elif refusal is not None:
            self._ignore(refusal, message.topic)
        else:
            self._reader.want_all()

    def _dispatch(self, command: QueuedCommand) -> None:
        """Reject a command, queue it, or let it wait for the first reading of its charger."""
        if command.charger_id not in self._registry.chargers:
            if self._registry.was_listed or self._states.has_detail(command.charger_id):
                topic = self._topics.command(command.charger_id, command.key)
                self._ignore("this is a command for an unknown charger", topic)
            else:
                self._hold(command)
        elif command.refusal is not None:
            self._reject(command, command.refusal)
        elif (problem := self._refusal_of(command.charger_id)) and self._registry.is_missing(command.charger_id):
            self._reject(command, problem)
        else:
            self._understand(command)

    def _hold(self, command: QueuedCommand) -> None:
        """Let a command wait for a reading; understood as far as that goes, so that its result tells the value."""
        with contextlib.suppress(InvalidPayloadError, NotReadYetError):
            command.intent = self._intent(command, self._states.view(command.charger_id))
        if self._queue.hold(command):
            return
        if command.charger_id in self._registry.chargers:
            self._results.failed(command, "too many commands wait for the first reading")
        else:
            topic = self._topics.command(command.charger_id, command.key)
            self._ignore("too many commands wait for the list of chargers", topic)

    def _refusal_of(self, charger_id: int) -> str | None:
        """Return why a charger's commands would only wait in vain, or None."""
        if self._states.has_detail(charger_id) and charger_id in self._registry.readable:
            return None
        return self._registry.problem_of(charger_id)

    def _understand(self, command: QueuedCommand) -> None:
        view, has_detail = self._states.view(command.charger_id), self._states.has_detail(command.charger_id)
        if not has_detail:
            view = FirstValues({**self._registry.limits(command.charger_id), **view})
        try:
            intent = self._intent(command, view)
        except InvalidPayloadError as error:
            self._reject(command, str(error))
        except NotReadYetError:
            if has_detail:
                self._wait_for_schedules(command)
            else:
                self._wait_for_detail(command)
        else:
            self._queue_up(command, intent)

    def _intent(self, command: QueuedCommand, view: Values) -> Intent:
        """Return what a command means to a charger that shows this.

        Raises:
            InvalidPayloadError: it means nothing.
            NotReadYetError: that depends on something that was not read yet.

        """
        row = FIELDS.get(command.key)
        if row is None or row.command is None:
            keys = dict.fromkeys(field.shown_key for field in FIELDS.values() if field.command is not None)
            problem = "unknown" if row is None else "read-only"
            msg = f"{command.key[:100]} is {problem}; fields that take commands: {' '.join(keys)}"
            raise InvalidPayloadError(msg)
        return parse(row, read_payload(command.payload, row.command.longest), view, self._allowed)

    def _queue_up(self, command: QueuedCommand, intent: Intent) -> None:
        command.intent = intent
        if command.charger_id in self._queue.unread() and not command.urgent and intent.request is not None:
            # behind those that came before it, or an older one would be sent after it
            self._wait_for_detail(command)
            return
        for superseded in self._queue.add(command):
            self._results.superseded(superseded)
        if intent.request is None:
            self._reader.want(command.charger_id)

    def _wait_for_detail(self, command: QueuedCommand) -> None:
        if (problem := self._refusal_of(command.charger_id)) is not None:
            self._reject(command, problem)
            return
        self._reader.want(command.charger_id)
        self._hold(command)

    def _wait_for_schedules(self, command: QueuedCommand) -> None:
        problem = self._schedules.problem_of(command.charger_id, command.arrived)
        if problem is not None:
            self._reject(command, f"the schedules cannot be read: {problem}")
            return
        self._schedules.want(command.charger_id)
        self._reader.wakeup.set()
        self._hold(command)

    def _reject(self, command: QueuedCommand, reason: str) -> None:
        self._states.republish(command.charger_id, [command.key])
        self._results.rejected(command, reason)

    def look_again(self, charger_ids: Iterable[int] = ()) -> None:
        """Sort what waits once more; ``charger_ids``: chargers that were listed or read just now."""
        ready = set(charger_ids)
        for charger_id in ready:
            self._states.introduce(charger_id)
        for command in self._queue.release([one for one in self._queue.unread() if self._may_dispatch(one, ready)]):
            self._dispatch(command)

    def _may_dispatch(self, charger_id: int, ready: set[int]) -> bool:
        is_unknown = self._registry.was_listed and charger_id not in self._registry.chargers
        is_known = self._states.has_detail(charger_id) or self._refusal_of(charger_id) is not None
        return charger_id in ready or is_unknown or is_known
