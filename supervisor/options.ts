import { type ByteString } from "../posix/bytes.ts";

/** What the command line asks for. */
export interface Options {
  enableInsecureKey: boolean;
  startupFiles: boolean;
  runit: boolean;
  killAllOnExit: boolean;
  quiet: boolean;
  /** Whether the main command waits for the services to be ready. */
  waitReady: boolean;
  /** Whether to look for what will fail, and start nothing; `json` prints that for programs. */
  check?: boolean;
  json?: boolean;
  /** Whether to print the timeline of the my_init that already runs. */
  timeline?: boolean;
  /** The main command, if there is one. */
  command: readonly ByteString[];
}

/** What the command line means: options, or a text to print instead of starting. */
export type CommandLine = Options | "help" | "version" | { error: string; status: number };

/** The options, and what each of them changes. */
const OPTIONS: Record<string, "help" | "version" | Partial<Options>> = {
  "-h": "help",
  "--help": "help",
  "--version": "version",
  "--enable-insecure-key": { enableInsecureKey: true },
  "--skip-startup-files": { startupFiles: false },
  "--skip-runit": { runit: false },
  "--no-kill-all-on-exit": { killAllOnExit: false },
  "--quiet": { quiet: true },
  "--wait-ready": { waitReady: true },
  "--check": { check: true },
  "--json": { json: true },
  "--timeline": { timeline: true },
};

/** The text of `--help`. */
export const HELP = `Usage: my_init [OPTION]... [--] [COMMAND [ARGUMENT]...]
       my_init --check [--json]
       my_init --timeline

The init of a container: runs the startup files, starts runit, and then runs COMMAND, or
without one waits until it is told to stop. At the end it shuts everything down in order.

  -h, --help              show this help
      --version           show the version
      --enable-insecure-key
                          install the insecure SSH key for user root
      --skip-startup-files
                          do not run /etc/my_init.d/* and /etc/rc.local
      --skip-runit        do not run runit's services
      --no-kill-all-on-exit
                          do not end the remaining processes at the end
      --quiet             print warnings and errors only
      --wait-ready        run COMMAND when all services are ready
      --check             start nothing, but look for what is wrong with scripts, services,
                          cron tables and the environment; status 1 if something will fail.
                          For RUN my_init --check at the end of a Dockerfile
      --json              print what --check has found as JSON
      --timeline          in a container that runs, print how it booted as SVG

Environment: DISABLE_SERVICE, ENABLE_SERVICE, DRAIN_SECONDS, ENV_INIT_DIRECTORY, FILE__NAME,
             KILL_ALL_PROCESSES_TIMEOUT, KILL_PROCESS_TIMEOUT, MY_INIT_SLEEP, NOTIFY_SOCKET, PUID,
             PGID, PUSER, SERVICE_LOGS, SHUTDOWN_TIMEOUT, SSH_AUTHORIZED_KEYS, SYSLOG_FORWARD,
             TIMELINE, TZ, UMASK
`;

/**
 * Reads the command line. Options end at the first word that is not an option, or at `--`. If the command is my_init
 * itself, as when an ENTRYPOINT and a CMD both name it, what follows is read as more of the same command line.
 *
 * @param words the command line without the program's own name
 */
export function readOptions(words: readonly ByteString[]): CommandLine {
  const options: Options = {
    enableInsecureKey: false,
    startupFiles: true,
    runit: true,
    killAllOnExit: true,
    quiet: false,
    waitReady: false,
    command: [],
  };
  let rest = words;
  while (rest.length > 0) {
    const [word, ...further] = rest;
    if (word === "--" && !isOurselves(further[0])) {
      options.command = further;
      break;
    }
    rest = further;
    if (word === "--" || isOurselves(word)) continue;
    if (!word.startsWith("-")) {
      options.command = [word, ...further];
      break;
    }
    const found = findOption(word);
    if (found === undefined) {
      return { error: `my_init: unknown option ${word}; see my_init --help`, status: 2 };
    }
    if (typeof found === "string") return found;
    Object.assign(options, found);
  }
  const only = options.check ? "--check" : options.timeline ? "--timeline" : undefined;
  if (only && options.command.length > 0) {
    return { error: `my_init: ${only} runs no command; leave it out`, status: 2 };
  }
  if (options.json && !options.check) {
    return { error: "my_init: --json is for --check; give both, or none", status: 2 };
  }
  if (!only && !options.runit && options.command.length === 0) {
    return {
      error: "*** When --skip-runit is given, you must also pass a main command.",
      status: 1,
    };
  }
  return options;
}

/** Finds an option by its name or, as getopt_long(3) does, by an unambiguous beginning of it. */
function findOption(word: string): (typeof OPTIONS)[string] | undefined {
  if (Object.hasOwn(OPTIONS, word)) return OPTIONS[word];
  const begun = Object.keys(OPTIONS).filter((name) => word.length > 2 && name.startsWith(word));
  return begun.length === 1 ? OPTIONS[begun[0]] : undefined;
}

function isOurselves(word: ByteString | undefined): boolean {
  return word === "/sbin/my_init" || word === "my_init";
}
