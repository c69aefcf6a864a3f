// What my_init and the rest of the image agree on: paths, and a signal. Pure, so that pure files can import them.

import { SIGRTMIN } from "../posix/signals.ts";

/** Where runit's services are. */
export const SERVICES = "/etc/service";

/** The signal that the `finish` of a critical service sends when the service has ended. */
export const SERVICE_ENDED = SIGRTMIN + 5;

/** The program that installs the insecure key. It is run as the first startup script if the option asks for it. */
export const ENABLE_INSECURE_KEY = "/usr/sbin/enable_insecure_key";
