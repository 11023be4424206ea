"""What the cloud answers at its endpoints, and to whom, as public clients see it."""

from collections.abc import Callable, Mapping
from operator import attrgetter
from urllib.parse import urlencode

from wallbox2mqtt.clock import Clock
from wallbox2mqtt.simulator import paths, schedule, sessions, writes
from wallbox2mqtt.simulator.account import USER_ID, SimulatedAccount
from wallbox2mqtt.simulator.actions import ACTIONS
from wallbox2mqtt.simulator.charger import SimulatedCharger
from wallbox2mqtt.simulator.endpoints import ENDPOINTS, Effect, Endpoint
from wallbox2mqtt.simulator.limiter import Limiter
from wallbox2mqtt.simulator.messages import ApiAnswer, ApiRequest, RefusedError, error_answer, json_answer
from wallbox2mqtt.simulator.moves import move
from wallbox2mqtt.simulator.paths import Document
from wallbox2mqtt.simulator.render import config
from wallbox2mqtt.simulator.settings import ON as OK
from wallbox2mqtt.simulator.settings import Settings
from wallbox2mqtt.simulator.state import ChargerState
from wallbox2mqtt.simulator.transitions import apply_due
from wallbox2mqtt.simulator.writes import Write, read_write

_OWN_ADDRESS = "http://wallbox-api.prod.wall-box.com/v4/sessions/stats"
"""The cloud's links name a host that only it can reach."""

_SESSIONS_ASKED = {"start_date": "", "end_date": "", "limit": "1000", "offset": "0", "charger": ""}
"""The parameters of a request of sessions, with what counts where one is missing."""

Handler = Callable[[ApiRequest], ApiAnswer]


class Api:
    """Answers requests. Thread-safe, as its parts are."""

    def __init__(
        self,
        account: SimulatedAccount,
        chargers: Callable[[], Mapping[int, SimulatedCharger]],
        clock: Clock,
        settings: Callable[[], Settings],
    ) -> None:
        self._account = account
        self._chargers = chargers
        self._clock = clock
        self._settings = settings
        self._limiter = Limiter(clock)
        self._handlers: Mapping[Effect, Handler] = {
            "sign in": account.sign_in,
            "refresh": account.refresh,
            "sign in (legacy)": self._legacy_sign_in,
            "list": self._list,
            "status": self._status,
            "read basic": self._get_basic,
            "write basic": self._put_basic,
            "read config": self._get_config,
            "write config": self._post_config,
            "remote action": self._remote_action,
            "write eco-smart": self._eco_smart,
            "read schedules": self._get_schedules,
            "write schedules": self._post_schedules,
            "sessions": self._sessions,
        }

    def answer(self, request: ApiRequest) -> ApiAnswer:
        """Answer a request: is there such a path, such a method, a good token, room below the limit?

        A handler's ValueError is answered with 400.
        """
        methods = {endpoint.method: endpoint for endpoint in self._endpoints() if endpoint.matches(request.path)}
        if not methods:
            return error_answer(404, "no such path")
        endpoint = methods.get(request.method)
        if endpoint is None:
            return error_answer(405, "wrong method", {"Allow": ", ".join(sorted(methods))})
        if not endpoint.is_open:
            if not self._account.knows_token(request):
                return error_answer(401, "the token is not valid")
            if refusal := self._limiter.refusal(self._settings(), write=request.method != "GET"):
                return refusal
        try:
            return self._handlers[endpoint.effect](request)
        except ValueError as error:
            return error_answer(400, str(error))
        except RefusedError as refused:
            return error_answer(*refused.args)

    def _endpoints(self) -> list[Endpoint]:
        """Return those that are there at present."""
        return [one for one in ENDPOINTS if one.effect != "read basic" or self._settings().get_basic]

    def _charger(self, request: ApiRequest) -> SimulatedCharger:
        """Return the charger of the path.

        Raises:
            RefusedError: the account has no such charger.

        """
        charger = self._chargers().get(request.charger or 0)
        if charger is None:
            raise RefusedError(404, "no such charger")
        if charger.access.documents != OK:
            raise RefusedError(charger.access.documents, "the account has no such charger")
        return charger

    def _legacy_sign_in(self, request: ApiRequest) -> ApiAnswer:
        """Answer the old sign-in, which is on the host that counts: [?] as a write, whatever its method."""
        refusal = self._limiter.refusal(self._settings(), write=True)
        return self._account.legacy_sign_in(request) if refusal is None else refusal

    def _list(self, _: ApiRequest) -> ApiAnswer:
        groups: dict[str, list[Document]] = {}
        for charger in self._chargers().values():
            if not charger.access.listed:
                continue
            groups.setdefault(charger.spec.group, []).append(charger.listed())
        groups["Empty"] = []
        listed = [
            {"id": 257061 + number, "uid": f"01FZ{number:022d}", "name": name, "chargers": chargers}
            for number, (name, chargers) in enumerate(groups.items())
        ]
        return json_answer({"result": {"groups": listed}})

    def _status(self, request: ApiRequest) -> ApiAnswer:
        return json_answer(self._charger(request).detail())

    def _get_config(self, request: ApiRequest) -> ApiAnswer:
        return json_answer(config(self._charger(request).detail()))

    def _get_basic(self, request: ApiRequest) -> ApiAnswer:
        charger = self._charger(request)
        return self._basic(charger, charger.basic())

    def _basic(self, charger: SimulatedCharger, document: Document) -> ApiAnswer:
        profile = "super-admin" if self._may_write(charger) else "user"
        user = {"id": USER_ID, "avatar": None, "name": "Demo", "surname": "User", "email": self._account.email}
        users = [{**user, "profile": profile, "assigned": True, "createdByUser": False}]
        return json_answer({"data": {"chargerData": document, "users": users}})

    def _put_basic(self, request: ApiRequest) -> ApiAnswer:
        charger = self._charger(request)
        if not request.body:  # the API document's way to read
            refusal = self._settings().read_by_put
            return self._get_basic(request) if refusal == OK else error_answer(refusal, "no body")
        written = self._write(request, charger, "write basic")
        # the settings as they will be, but the status as it was reported [?]
        document = {**charger.basic(charger.expected()), "status": paths.get(charger.detail(), "status_id")}
        return self._basic(charger, {**document, **written.values} if self._settings().answers == "wish" else document)

    def _post_config(self, request: ApiRequest) -> ApiAnswer:
        charger = self._charger(request)
        written = self._write(request, charger, "write config")
        detail = charger.detail(charger.expected())
        if self._settings().answers == "wish":
            detail = paths.update_known(detail, written.changes)
        return json_answer(config(detail))

    def _eco_smart(self, request: ApiRequest) -> ApiAnswer:
        charger = self._charger(request)
        if not paths.has(charger.expected().document, "config_data.ecosmart"):
            raise RefusedError(403, "the charger has no Eco-Smart")  # [?] what it answers is not public
        self._write(request, charger, "write eco-smart")
        return ApiAnswer(200)

    def _write(self, request: ApiRequest, charger: SimulatedCharger, effect: Effect) -> Write:
        """Accept a write and return it."""
        endpoint = next(one for one in ENDPOINTS if one.effect == effect)
        write = read_write(endpoint, request.json(), charger.expected())
        self._accept(charger, lambda state: writes.apply(state, write))
        return write

    def _remote_action(self, request: ApiRequest) -> ApiAnswer:
        charger = self._charger(request)
        body = request.json()
        number = body.get("action") if isinstance(body, dict) else None
        if isinstance(number, bool) or not isinstance(number, int) or number not in ACTIONS:
            raise RefusedError(400, f"no such action: {number!r}")
        if self._may_write(charger):
            ACTIONS[number].check(charger.expected())
        self._accept(charger, lambda state: apply_due(ACTIONS[number].does(state)))
        return json_answer({"action": number})

    def _may_write(self, charger: SimulatedCharger) -> bool:
        return self._settings().may_write and charger.access.may_write

    def _accept(self, charger: SimulatedCharger, change: Callable[[ChargerState], ChargerState]) -> None:
        """Hand a command to the charger.

        Raises:
            RefusedError: the user may not, or the charger cannot be reached.

        """
        if not self._may_write(charger):
            raise RefusedError(403, "the user has no rights")
        state = charger.state()
        if state.last_seen is None and not state.busy:
            charger.command(change)
        # [?] what a command to a charger out of touch (offline, rebooting, updating) gets is not public
        elif self._settings().out_of_touch == "forbidden":
            raise RefusedError(403, "the charger is out of touch")

    def _get_schedules(self, request: ApiRequest) -> ApiAnswer:
        present = self._charger(request).state().schedules
        listed = [dict(one.wire) if self._settings().schedule_ids else one.by_position for one in present]
        return json_answer({"schedules": listed, "lastSchedule": schedule.last_written(present)})

    def _post_schedules(self, request: ApiRequest) -> ApiAnswer:
        charger = self._charger(request)
        present = charger.expected().schedules
        body = request.json()
        sent = body.get("schedules") if isinstance(body, dict) else None
        written = schedule.merged(present, sent, charger.id, self._clock.wall())
        move(charger.expected(), "schedules", written)  # a ValueError before anything is accepted
        self._accept(charger, lambda state: move(state, "schedules", written))
        return json_answer({"schedules": written})

    def _sessions(self, request: ApiRequest) -> ApiAnswer:
        """Answer a page of the history, [?] the newest first. Chargers that the account lacks have none [?]."""
        settings, asked = self._settings(), {**_SESSIONS_ASKED, **request.parameters}
        first, last = float(asked["start_date"]), float(asked["end_date"])
        limit, offset = _natural(asked["limit"]), _natural(asked["offset"])
        number = _natural(asked["charger"]) if asked["charger"] else None
        wanted = [one for one in self._chargers().values() if number in {None, one.id}]
        readable = [one for one in wanted if one.access.documents == OK]
        found = [(session, charger) for charger in readable for session in charger.history()]
        known = self._clock.wall() - settings.session_delay_s
        at = attrgetter(settings.sessions_by)
        matching = [one for one in found if one[0].end <= known and first <= at(one[0]) < last]
        matching.sort(key=lambda one: one[0].start, reverse=True)
        ends = offset + min(limit, settings.sessions_per_page)
        page = matching[offset:ends]
        details = {charger.id: charger.detail() for charger in readable}
        data = [
            sessions.entry(session, charger.id, details[charger.id], self._account.email, settings.session_unit)
            for session, charger in page
        ]
        links = {"self": f"{_OWN_ADDRESS}?{request.query}"}
        if ends < len(matching):
            links["next"] = f"{_OWN_ADDRESS}?{urlencode({**request.parameters, 'offset': ends})}"
        return json_answer({"meta": {"count": len(data)}, "links": links, "data": data})


def _natural(text: str) -> int:
    if not text.isdecimal():
        msg = f"found {text!r}, expected a whole number"
        raise ValueError(msg)
    return int(text)
