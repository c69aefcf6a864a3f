// The machine that an image is for, and how docker names what belongs to it. Read by image.ts and base.ts.

import { type Target, targets } from "./permissions.ts";
import { Problem } from "./project.ts";

export const thisMachine = Deno.build.target as Target;

/** Docker's name for the machine, such as linux/arm64. */
export function platformOf(target: Target): string {
  return `linux/${targets[target].architecture}`;
}

/** The machine that a value of PLATFORM names. Throws a Problem if images cannot be made for it. */
export function readPlatform(value: string): Target {
  const all = Object.keys(targets) as Target[];
  const target = all.find((it) => platformOf(it) === value);
  if (target) return target;
  throw new Problem(
    `cannot build for PLATFORM=${JSON.stringify(value)}: choose ${
      all.map(platformOf).join(" or ")
    }`,
    2,
  );
}

/** The image's version. Docker has one image per name, so one for another machine is 1.0.0-arm64. */
export function versionFor(target: Target, version: string): string {
  return target === thisMachine ? version : `${version}-${targets[target].architecture}`;
}

/** The name of the base: one for another machine is arm64v8/debian:12, as on Docker Hub, if the name has no owner. */
export function baseFor(target: Target, image: string): string {
  if (target === thisMachine || /[/@]/.test(image)) return image;
  return `${targets[target].owner}/${image}`;
}
