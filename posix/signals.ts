import { FAULTS as FAULTS_MASK } from "../native/signals.ts";

/**
 * Signals by name. The numbers are those of Linux on x86-64 and aarch64.
 *
 * @see https://man7.org/linux/man-pages/man7/signal.7.html
 */
export const SIGNALS = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGILL: 4,
  SIGTRAP: 5,
  SIGABRT: 6,
  SIGBUS: 7,
  SIGFPE: 8,
  SIGKILL: 9,
  SIGUSR1: 10,
  SIGSEGV: 11,
  SIGUSR2: 12,
  SIGPIPE: 13,
  SIGALRM: 14,
  SIGTERM: 15,
  SIGSTKFLT: 16,
  SIGCHLD: 17,
  SIGCONT: 18,
  SIGSTOP: 19,
  SIGTSTP: 20,
  SIGTTIN: 21,
  SIGTTOU: 22,
  SIGURG: 23,
  SIGXCPU: 24,
  SIGXFSZ: 25,
  SIGVTALRM: 26,
  SIGPROF: 27,
  SIGWINCH: 28,
  SIGIO: 29,
  SIGPWR: 30,
  SIGSYS: 31,
} as const;

/** Signals that glibc uses itself. */
export const GLIBC_SIGNALS: readonly number[] = [32, 33];
/** Where the real-time signals begin. */
export const SIGRTMIN = 34;
/** The last signal there is. */
export const SIGRTMAX = 64;

/** Signals that report a program's own faults, such as SIGSEGV: they are never blocked. */
export const FAULTS: readonly number[] = Object.values(SIGNALS).filter((signal) =>
  (FAULTS_MASK >> BigInt(signal - 1) & 1n) === 1n
);

/** Signals by which a terminal stops a process. */
export const SUSPENDING_SIGNALS: readonly number[] = [
  SIGNALS.SIGTSTP,
  SIGNALS.SIGTTIN,
  SIGNALS.SIGTTOU,
];

/** The name of a signal, such as `SIGTERM` or `SIGRTMIN+3`. */
export function signalName(number: number): string {
  if (number >= SIGRTMIN) return `SIGRTMIN+${number - SIGRTMIN}`;
  const found = Object.entries(SIGNALS).find(([, value]) => value === number);
  return found ? found[0] : `signal ${number}`;
}

/** Lists all signals but these. */
export function allSignalsBut(...left: number[]): number[] {
  const all = Object.values(SIGNALS) as number[];
  for (let number = SIGRTMIN; number <= SIGRTMAX; number++) all.push(number);
  return all.filter((number) => !left.includes(number));
}

/** How a child ended: `status` is 128 + n when signal n killed it. */
export interface Exit {
  pid: number;
  status: number;
  /** The signal that killed it, if one did. */
  signal?: number;
}

/** A child was stopped, and can be continued. */
export interface Suspension {
  pid: number;
  signal: number;
}

/** A signal that has reached us. */
export interface Received {
  signal: number;
  /** From the kernel, as for Ctrl-C: the whole foreground group of the terminal has got it. */
  fromTerminal: boolean;
}
