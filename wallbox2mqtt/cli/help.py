"""What ``--help`` says beyond a command's options. Wrapped by hand, at 100 characters."""

from wallbox2mqtt.daemon.heartbeat import BACKOFF_S, READ_INTERVALS, READ_LATEST_INTERVALS, READ_LEAST_S, READ_MOST_S

OVERVIEW = """Wallbox chargers on MQTT, as fresh as the vendor's cloud allows.

Begin with "init", which asks for the account and the broker, or with "demo", which needs neither."""

EXIT_CODES = """exit codes:
  0   done, also after SIGTERM and SIGINT
  69  check or health found a fault
  78  the configuration is wrong, or the cloud refuses credentials that never worked: you must act
  130 ended by Ctrl-C; run, demo and simulator, which wait for it, say 0
  1   anything else"""

FILES = """files:
  config.yaml, /etc/wallbox2mqtt/config.yaml
                          the configuration, looked for in this order; config.example.yaml has every key
  $STATE_DIRECTORY, else ~/.local/state/wallbox2mqtt
                          tokens, the times of the last requests, and the heartbeat that "health" reads

environment:
  WALLBOX2MQTT_CONFIG     the configuration file
  WALLBOX2MQTT_<KEY>      any key; it overrides the file: WALLBOX2MQTT_MQTT__HOST is mqtt.host
  https_proxy, no_proxy   the way to the cloud
  NOTIFY_SOCKET, JOURNAL_STREAM, CREDENTIALS_DIRECTORY, CONFIGURATION_DIRECTORY, RELOAD_DIRECTORY
                          set by systemd and the unit"""

_READ_LIMIT = (
    f"{READ_MOST_S:.0f} s ({READ_INTERVALS} intervals\n"
    f"if that is less, but at least {READ_LEAST_S:.0f} s; {READ_LATEST_INTERVALS:g} intervals if that is more; "
    f"{BACKOFF_S / 60:.0f} minutes"
)

EPILOGS = {
    "": f"""For more on a command: wallbox2mqtt run --help

{FILES}

{EXIT_CODES}""",
    "run": f"""Runs until SIGTERM or SIGINT, and then ends within five seconds. If the cloud or the broker is down, it
waits for it. It logs to stderr, one line for each event, with the journal's priorities under systemd.

examples:
  wallbox2mqtt run --config /etc/wallbox2mqtt/config.yaml
  WALLBOX2MQTT_WALLBOX__EMAIL=you@example.org WALLBOX2MQTT_WALLBOX__PASSWORD_FILE=secret wallbox2mqtt run

{FILES}

exit codes:
  0   ended as asked
  78  the configuration is wrong, or the cloud refuses credentials that never worked: do not restart
  1   a thread died or was stuck: restart it""",
    "health": f"""Prints one line. Within two minutes it reports as unhealthy: a process that is stopped, stuck or not
there; a silent thread; a broker that is away; a refused sign-in; no good read for {_READ_LIMIT}
while the cloud says "too many requests"). For containers and monitoring. With --live only the process
counts (main loop and threads), whatever cloud and broker do: for a liveness probe.

examples:
  sudo wallbox2mqtt health --state-dir /var/lib/wallbox2mqtt
  HEALTHCHECK CMD ["wallbox2mqtt", "health"]

exit codes:
  0   healthy
  69  unhealthy; the line says why""",
    "check": """Tries the configuration, the broker (connecting, publishing, receiving, rights), Home Assistant and
the sign-in, and lists the chargers. Each is ok, a warning or a fault, with what to do next. It
respects the account's budget, for which it may have to wait a minute. If the bridge runs with the
same state directory, it shows what the bridge knows and does not ask the cloud. At the broker it is a
client of its own, and leaves nothing behind.

examples:
  wallbox2mqtt check
  wallbox2mqtt check --json | jq '.findings[] | select(.verdict != "ok")'

exit codes:
  0   no fault; there may be warnings
  69  a fault
  78  the configuration is wrong""",
    "init": """Asks for the account and the broker, tries them, lists the chargers and writes the configuration with
mode 600. It does not ask for what a flag or a variable gives; without a terminal it asks nothing.
There are no flags for passwords, because other users of the machine could see them: they come from
the terminal, from WALLBOX2MQTT_WALLBOX__PASSWORD and WALLBOX2MQTT_MQTT__PASSWORD, from the files that
…__PASSWORD_FILE name, or from standard input.

examples:
  wallbox2mqtt init
  wallbox2mqtt init --config /etc/wallbox2mqtt/config.yaml --password-files
  pass wallbox | wallbox2mqtt init --email you@example.org --mqtt-host broker.lan --stdin

exit codes:
  0   written
  69  something did not work, nothing was written
  1   a question was not answered (Ctrl-D), nothing was written
  78  something is missing or refused, or the file exists already; nothing was written""",
    "demo": """Needs no account and no broker; nothing leaves this machine. The broker is mosquitto if it is
installed, otherwise amqtt (pip install 'wallbox2mqtt[demo]'). Opens the status page on a free port and
says where. A terminal shows a live view (by rich, of the same extra); --plain prints lines instead.

examples:
  wallbox2mqtt demo --chargers 5 --speed 60""",
    "simulator": """Serves both hosts of the cloud at one address, with sign-in, rate limit, delays and faults on
demand; at /_control/ you plug in cars and so on. Prints the address and the account. See
docs/simulator.md.

examples:
  wallbox2mqtt simulator --port 18080 --chargers 3 --model pulsar-plus --model quasar""",
    "dump": """Reads every document of the account within its budget, which takes a minute each, and replaces
whatever could show who or where you are. Read it before you send it. The bridge may run meanwhile:
the two take turns.

examples:
  wallbox2mqtt dump --output dump.json""",
    "sessions": """A session belongs to the day on which it began, in this machine's time zone. If the bridge has read
the history within the last day, the cloud is not asked; otherwise it is read within the budget, in
turn with the bridge, which may take two minutes for each charger.

examples:
  wallbox2mqtt sessions --month 2026-10 --format html > october.html
  wallbox2mqtt sessions --from 2026-01-01 --to 2026-12-31 --format csv""",
    "topics": """In Markdown: what is published below wallbox/<id>/, and what each command accepts and sends. "from"
names the cloud's document and the path in it: detail is chargers/status/{id}, basic is
v2/charger/{id}, list is v3/chargers/groups, which shows all chargers at once.""",
    "schema": """A JSON schema (draft 2020-12). Editors with the YAML language server use it with this first line:
  # yaml-language-server: $schema=config.schema.json

examples:
  wallbox2mqtt schema > config.schema.json""",
}
