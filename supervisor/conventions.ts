// What my_init and the rest of the image agree on: paths, and a signal. Pure, so that pure files can import them.

import { SIGRTMIN } from "../posix/signals.ts";

/** Where the scripts of each stage are. */
export const SCRIPT_DIRECTORIES = {
  startup: "/etc/my_init.d",
  preShutdown: "/etc/my_init.pre_shutdown.d",
  postShutdown: "/etc/my_init.post_shutdown.d",
};

/** Where runit's services are. */
export const SERVICES = "/etc/service";

/** The program that gives lines their names calls itself so. */
export const RELAY = "relay";

/** Where runsvdir finds the `runsv` that starts a relay first. */
export const RELAYS = "/usr/lib/baseimage/relay";

/** What a critical service sends when it has ended. */
export const SERVICE_ENDED = SIGRTMIN + 5;

/** Installs the insecure key; it is run as the first startup script when it is asked for. */
export const ENABLE_INSECURE_KEY = "/usr/sbin/enable_insecure_key";
