/** Asks again and again until the answer is neither false nor nothing; fails at the deadline. */
export async function until<T>(
  condition: () => T | Promise<T>,
  seconds = 10,
  explain: () => string = () => String(condition),
): Promise<NonNullable<T>> {
  const deadline = performance.now() + seconds * 1000;
  for (;;) {
    const answer = await condition();
    if (answer) return answer as NonNullable<T>;
    if (performance.now() > deadline) throw new Error(`Not within ${seconds} s: ${explain()}`);
    await pause(10);
  }
}

/** Lets time pass: between two questions, or where time itself is what a test is about. */
export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** How many seconds something takes. */
export async function secondsOf(act: () => PromiseLike<unknown>): Promise<number> {
  const start = performance.now();
  await act();
  return (performance.now() - start) / 1000;
}
