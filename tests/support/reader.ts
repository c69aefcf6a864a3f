/**
 * What a reader of the readme has: a shell on docker's host.
 *
 * @module
 */
import type { Result } from "./container.ts";

/** Runs a line as the reader would type it. */
export async function typed(line: string, env: Record<string, string> = {}): Promise<Result> {
  const { code, stdout, stderr } = await new Deno.Command("bash", {
    args: ["-c", line],
    env,
    stdin: "null",
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { status: code, stdout: text(stdout), stderr: text(stderr) };
}
