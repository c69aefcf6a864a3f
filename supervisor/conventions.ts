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

/** The name of the process that puts names before lines. */
export const RELAY = "my_init relay";

/** Where runsvdir finds the `runsv` that starts a relay first, and makes runsv the parent of its service's orphans. */
export const RELAYS = "/usr/lib/baseimage/relay";

/** What `report_end` sends when a service has ended, and `healthy` when a service is to end the container. */
export const SERVICE_ENDED = SIGRTMIN + 5;

/** What my_init is called while it drains, by which `healthy` knows: a name needs no place that can be written to. */
export const DRAINING = "my_init drains";

/** Installs the insecure key; it is run as the first startup script when it is asked for. */
export const ENABLE_INSECURE_KEY = "/usr/sbin/enable_insecure_key";

/** Gives users and the time zone what PUID, PGID and TZ ask for; it is run as the first startup script where one is set. */
export const ADAPT = "/usr/lib/baseimage/adapt";
