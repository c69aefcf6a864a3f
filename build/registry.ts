// What docker does with a registry: asks for a tag, pushes an image, makes an index of images for several platforms.

import $ from "@david/dax";
import { Problem } from "./project.ts";

/** Whether a registry has what a reference (NAME:TAG) names. */
export async function isInRegistry(reference: string): Promise<boolean> {
  const { code, stderr } = await manifest("inspect", reference);
  if (code === 0) return true;
  if (/no such manifest|(manifest|name) unknown/.test(stderr)) return false;
  const remedy = /^(denied|unauthorized): /m.test(stderr)
    ? "; `docker login` as a user who may push there"
    : "";
  throw new Problem(`cannot ask for ${reference}: ${stderr.trim().split("\n").at(-1)}${remedy}`);
}

/** Pushes an image that docker has by this reference. Returns its digest, `sha256:...`. */
export async function push(reference: string): Promise<string> {
  return findDigest(
    reference,
    await $`docker push ${reference}`.stdout("piped").stderr("piped").noThrow(),
  );
}

/** Makes an index that refers to `images` (NAME@DIGEST, pushed before), and pushes it. Returns its digest. */
export async function pushIndex(reference: string, images: string[]): Promise<string> {
  await manifest("rm", reference); // What an interrupted run has left.
  const created = await manifest("create", reference, ...images);
  if (created.code !== 0) findDigest(reference, created);
  return findDigest(reference, await manifest("push", "--purge", reference));
}

/** Runs `docker manifest`. A registry on this machine may do without HTTPS, as it may for `docker push`. */
function manifest(command: string, ...words: string[]) {
  const isHere = /^(localhost|127(\.\d+){3})(:\d+)?\//.test(words.at(-1)!);
  const options = isHere && command !== "rm" ? ["--insecure"] : [];
  return $`docker manifest ${command} ${options} ${words}`.stdout("piped").stderr("piped")
    .noThrow();
}

function findDigest(
  reference: string,
  { code, stdout, stderr }: { code: number; stdout: string; stderr: string },
): string {
  const [digest] = stdout.match(/\bsha256:[0-9a-f]{64}\b/g)?.slice(-1) ?? [];
  if (code === 0 && digest) return digest;
  throw new Problem(`cannot push ${reference}: ${stderr.trim().split("\n").at(-1)}`);
}
