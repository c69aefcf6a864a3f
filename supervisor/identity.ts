import { type ByteString } from "../posix/bytes.ts";
import { type Environment, get } from "../env/environment.ts";

/** What is wrong with PUID, PGID or UMASK; undefined where they are right, or not set. */
export function faultIn(environment: Environment): ByteString | undefined {
  for (const [name, what, command] of [["PUID", "uid", "id -u"], ["PGID", "gid", "id -g"]]) {
    const text = get(environment, name);
    if (text !== undefined && !isId(text)) {
      return `${name}=${text} is no ${what}: use a number from 0 to ${GREATEST_ID}, such as \`${command}\` prints`;
    }
  }
  const umask = get(environment, "UMASK");
  return umask === undefined || readUmask(environment) !== undefined
    ? undefined
    : `UMASK=${umask} is no umask: use an octal number from 0 to 777, such as 022`;
}

/** The umask that programs get; undefined where none is asked for, so that they get ours. umask(2) */
export function readUmask(environment: Environment): number | undefined {
  const text = get(environment, "UMASK");
  return text !== undefined && /^0?[0-7]{1,3}$/.test(text) ? parseInt(text, 8) : undefined;
}

/** The number above means "no change" to the kernel. */
const GREATEST_ID = 0xfffffffe;

function isId(text: ByteString): boolean {
  return /^(0|[1-9]\d*)$/.test(text) && Number(text) <= GREATEST_ID;
}
