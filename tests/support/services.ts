/**
 * Services of an image that a test makes.
 *
 * @module
 */
import { derive, type Derived } from "./container.ts";

/** A service: its files by name. */
export type Files = Record<string, string>;

/** A `run` that prints a text, and stays. */
export const sleeper = (text: string) => `#!/bin/sh\necho ${text}\nexec sleep 1000\n`;

/** An image with these services and startup scripts, and with none of the image's own. */
export async function withServices(
  services: Record<string, Files>,
  scripts: Files = {},
): Promise<Derived> {
  const files: Files = { ...scripts };
  const lines = ["RUN rm -rf /etc/service/* /etc/my_init.d/*"];
  for (const [service, its] of Object.entries(services)) {
    for (const [name, text] of Object.entries(its)) {
      files[`${service}-${name}`] = text;
      lines.push(`COPY ${service}-${name} /etc/service/${service}/${name}`);
    }
  }
  lines.push(...Object.keys(scripts).map((name) => `COPY ${name} /etc/my_init.d/${name}`));
  return await derive(lines.join("\n"), files);
}
