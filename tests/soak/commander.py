"""Who commands while the nodes of a broker are killed, and what is counted of it."""

import json
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tests.mosquitto import Watcher
from wallbox2mqtt.simulator import Simulator

COMMAND_EACH_S, ANSWER_S = 0.25, 30.0
DEEPER = ("ecosmart/enabled", "schedule/1/enabled")
"""Fields whose commands come by the bridge's other filters."""


@dataclass
class Tally:
    """What is counted.

    ``back``: seconds from a kill until commands of each depth that were sent after it are answered. ``served``: until a
    new client of another node is given what it publishes. ``silent``: names that nobody was told of within 30 s, or who
    heard of them later, or elsewhere.
    """

    back: list[float] = field(default_factory=list)
    served: list[float] = field(default_factory=list)
    sent: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    longest: float = 0.0
    silent: dict[str, str] = field(default_factory=dict)
    twice: int = 0
    same: list[float] = field(default_factory=list)
    retained: int = 0
    differ: set[str] = field(default_factory=set)

    def lost(self, cloud: Simulator) -> dict[str, str]:
        """Return the commands that the cloud has had, and that were not answered."""
        bodies = " ".join(json.dumps(seen.body) for seen in cloud.requests if seen.method != "GET")
        return {name: where for name, where in self.silent.items() if f'"{name}"' in bodies}


class Commander:
    """Gives chargers new names through a node, one after the other, and hears the answers there."""

    def __init__(self, cloud: Simulator, tally: Tally, clients: tuple[Watcher, Watcher, Watcher]) -> None:
        """Take a client that publishes, one that hears the answers at QoS 1, and a witness that hears all.

        NATS ends the connection of a client whose message it cannot store in time, and delivers at QoS 1 only what it
        has stored: the witness tells whether an answer was given that the second one has missed.
        """
        self._chargers, self._tally = list(cloud.chargers), tally
        self._sender, self._watcher, self.witness = clients
        self._sent: dict[str, float] = {}
        self._waiting: dict[str, str] = {}
        self._answered: set[str] = set()
        self._heard = 0

    def go_on(self, seconds: float, *, until_back: bool = False) -> float:
        """Send for so long, or until commands of each depth that were sent since are answered; return how long."""
        begun = time.monotonic()
        while (passed := time.monotonic() - begun) < seconds:
            self._send()
            if until_back:
                for deeper in DEEPER:
                    self._sender.publish(f"wallbox/{self._chargers[0]}/{deeper}/set", "?")
            time.sleep(COMMAND_EACH_S)
            self.collect()
            if until_back and self._is_back(begun):
                break
        return passed

    def _is_back(self, since: float) -> bool:
        """Return whether the witness has heard answers to commands of each depth that were sent since then."""
        heard = [one for one in self.witness.heard if one.at >= since and one.topic.endswith("/result")]
        fields = {one.topic.removesuffix("/result").split("/", 2)[2] for one in heard if "/name/" not in one.topic}
        names = {json.loads(one.payload)["value"] for one in heard if "/name/" in one.topic}
        return fields >= set(DEEPER) and any(self._sent.get(name, 0.0) >= since for name in names)

    def _send(self) -> None:
        self._tally.sent += 1
        name, topic = (
            f"Box {self._tally.sent}",
            f"wallbox/{self._chargers[self._tally.sent % len(self._chargers)]}/name",
        )
        self._sent[name] = time.monotonic()
        self._waiting[name] = topic
        self._sender.publish(f"{topic}/set", name)

    def hear_out(self) -> None:
        """Wait for the answers to all that was sent, as long as they may take."""
        while self._waiting:
            time.sleep(COMMAND_EACH_S)
            self.collect()

    def collect(self) -> None:
        """Take the answers that came, and give up those that are too late."""
        self._watcher.subscribe_again()
        heard = self._watcher.heard
        for one in heard[self._heard :]:
            self._take(one.topic.removesuffix("/result"), json.loads(one.payload), one.at)
        self._heard = len(heard)
        for name, topic in list(self._waiting.items()):
            if time.monotonic() - self._sent[name] > ANSWER_S:
                self._tally.silent[name] = self._where(topic, name)
                del self._waiting[name]

    def _take(self, topic: str, answer: dict[str, Any], at: float) -> None:
        # one that is rejected does not say what it was
        name = answer["value"] or next((one for one, where in self._waiting.items() if where == topic), "")
        self._tally.answers[answer["status"]] += 1
        self._tally.twice += name in self._answered
        self._answered.add(name)
        self._waiting.pop(name, None)
        took = at - self._sent.get(name, at)
        self._tally.longest = max(self._tally.longest, took)
        if name in self._tally.silent:
            self._tally.silent[name] = f"heard after {took:.0f} s"

    def _where(self, topic: str, name: str) -> str:
        """Return who has heard an answer that did not come here."""
        is_given = any(f'"{name}"' in payload for payload in self.witness.of(f"{topic}/result"))
        breaks = f"connections ended {self._watcher.ends}, {self.witness.ends} times"
        return f"{'heard by the other listener' if is_given else 'heard by nobody'}, {breaks}"
