/** Signals that a fault raises in the thread itself: ILL, TRAP, ABRT, BUS, FPE, SEGV and SYS. Number n is bit n − 1. */
export const FAULTS = 1n << 3n | 1n << 4n | 1n << 5n | 1n << 6n | 1n << 7n | 1n << 10n | 1n << 30n;

/** All signals that can and may be blocked: not KILL (9) and STOP (19), the faults, and those of glibc's threads (32, 33). */
export const BLOCKED = ~(1n << 8n | 1n << 18n | 1n << 31n | 1n << 32n | FAULTS);
