/**
 * All signals that can be usefully blocked; number n is bit n − 1. Open stay SIGKILL (9) and SIGSTOP (19), what a fault
 * raises in the thread itself (4, 5, 6, 7, 8, 11, 31), and what glibc's threads need (32, 33).
 */
export const BLOCKED = ~(1n << 8n | 1n << 18n | 1n << 3n | 1n << 4n | 1n << 5n | 1n << 6n |
  1n << 7n | 1n << 10n | 1n << 30n | 1n << 31n | 1n << 32n);
