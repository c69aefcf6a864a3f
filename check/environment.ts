import { entries, type Image } from "./image.ts";
import { type Problem } from "./problems.ts";

/** Where each file is a variable. */
export const ENVIRONMENT = "/etc/container_environment";

/** Finds the files that are no variables for a shell. */
export function checkEnvironment(image: Image): Problem[] {
  return entries(image, ENVIRONMENT).flatMap(({ name, path, node }): Problem[] =>
    node.type === "file" && !/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)
      ? [{ kind: "variableName", file: path, name }]
      : []
  );
}
