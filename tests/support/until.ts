/** How many times as long everything may take: PATIENCE is set where qemu emulates the machine. */
export const patience = Number(Deno.env.get("PATIENCE") || 1);

/** Calls a function again and again until it returns neither false nor undefined; fails at the deadline. */
export async function until<T>(
  condition: () => T | Promise<T>,
  seconds = 10,
  explain: () => string = () => String(condition),
): Promise<NonNullable<T>> {
  const deadline = performance.now() + seconds * patience * 1000;
  for (;;) {
    const answer = await condition();
    if (answer) return answer as NonNullable<T>;
    if (performance.now() > deadline) {
      throw new Error(`Not within ${seconds * patience} s: ${explain()}`);
    }
    await pause(10);
  }
}

/** Waits: between two calls of `until`, or in a test about time itself. */
export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** How many seconds something takes. */
export async function secondsOf(act: () => PromiseLike<unknown>): Promise<number> {
  const start = performance.now();
  await act();
  return (performance.now() - start) / 1000;
}
