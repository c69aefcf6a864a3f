import { type ByteString } from "../posix/bytes.ts";
import { type Environment } from "../env/environment.ts";

/** A service that the environment switches on or off. */
export interface Switch {
  on: boolean;
  /** The variable that does it. */
  variable: ByteString;
}

/** Other names of the image's own services. */
const OTHER_NAMES: Readonly<Record<ByteString, ByteString>> = {
  "sshd": "SSH",
  "syslog-ng": "SYSLOG",
  "syslog-forwarder": "SYSLOG",
};

/** The services that the image has unless it was built without them. */
const DEFAULT_SERVICES: readonly ByteString[] = ["cron", "sshd", "syslog-ng"];

/**
 * Reads DISABLE_NAME and ENABLE_NAME: 1, true, yes, on switch a service off or on; 0, false, no, off and an empty value
 * leave it as it is; DISABLE wins. NAME is the service's name in capitals, with _ for characters that are no letters or digits.
 *
 * Applications have variables of this form, too, such as DISABLE_TELEMETRY, and a warning for each would be a false
 * alarm. So a variable that fits no service gets a warning only in two cases: it would switch on a service of the image
 * that is not there, or it differs from a service's name only in case, punctuation or the order of letters.
 *
 * @param services the names of all services
 */
export function readSwitches(
  environment: Environment,
  services: readonly ByteString[],
): { switches: Readonly<Record<ByteString, Switch>>; warnings: ByteString[] } {
  // Without a prototype, since a service may be called like one of its methods.
  const switches: Record<ByteString, Switch> = Object.create(null);
  const warnings: ByteString[] = [];
  for (const [variable, value] of environment) {
    const [, verb, name] = variable.match(/^(enable|disable)_(.+)$/i) ?? [];
    if (verb === undefined) continue;
    const on = verb.toUpperCase() === "ENABLE";
    const isOurs = verb === verb.toUpperCase();
    const fitting = isOurs ? services.filter((service) => namesOf(service).includes(name)) : [];
    const word = readWord(value);
    if (fitting.length > 0 && word === undefined) {
      warnings.push(
        `Ignoring ${variable}=${value}: use 1, true, yes, on, or 0, false, no, off`,
      );
    }
    if (word !== true) continue;
    for (const service of fitting) {
      if (!on || !switches[service]) switches[service] = { on, variable };
    }
    if (fitting.length > 0) continue;
    const absent = DEFAULT_SERVICES.find((service) => namesOf(service).includes(name));
    const meant = [...services, ...DEFAULT_SERVICES].flatMap(namesOf)
      .find((other) => lettersOf(other) === lettersOf(name));
    if (isOurs && absent !== undefined) {
      if (on) warnings.push(`Ignoring ${variable}=${value}: there is no service ${absent}`);
    } else if (meant !== undefined) {
      const right = `${verb.toUpperCase()}_${meant}`;
      warnings.push(`Ignoring ${variable}=${value}: fits no service; is ${right} meant?`);
    }
  }
  return { switches, warnings };
}

/** What a service is called in variables. */
function namesOf(service: ByteString): ByteString[] {
  const other = OTHER_NAMES[service];
  const name = service.toUpperCase().replace(/[^A-Z0-9]/g, "_");
  return other === undefined ? [name] : [name, other];
}

function readWord(value: ByteString): boolean | undefined {
  const word = value.toLowerCase();
  if (["1", "true", "yes", "on"].includes(word)) return true;
  return ["0", "false", "no", "off", ""].includes(word) ? false : undefined;
}

function lettersOf(name: ByteString): string {
  return [...name.toUpperCase().replace(/[^A-Z0-9]/g, "")].sort().join("");
}
