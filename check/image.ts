import { type ByteString } from "../posix/bytes.ts";

/** The file that a path leads to; links are followed. */
export interface Node {
  /** `nothing` is a link that leads nowhere. */
  type: "file" | "directory" | "pipe" | "other" | "nothing";
  mode: number;
  uid: number;
  /** A file's content: only the beginning of a binary; undefined when it may not be read, or need not be. */
  text?: ByteString;
  /** The names in a directory; undefined when it may not be listed. */
  names?: readonly ByteString[];
}

/** Everything in an image that is checked, as a plain value. */
export interface Image {
  nodes: Readonly<Record<ByteString, Node>>;
  /** The directory of the startup scripts. Without it, startup scripts are not checked. */
  startup?: ByteString;
  /** Whether services are checked. */
  services: boolean;
  /** The names of users and groups; undefined when not all of them are known. */
  users?: readonly ByteString[];
  groups?: readonly ByteString[];
  /** The directories in which programs are looked for. */
  searchPath: readonly ByteString[];
}

/** Something in a directory. */
export interface Entry {
  name: ByteString;
  path: ByteString;
  node: Node;
}

/** The files in a directory, without hidden ones, which all programs that read these directories skip. */
export function entries(image: Image, directory: ByteString): Entry[] {
  return (image.nodes[directory]?.names ?? []).flatMap((name) => {
    const path = `${directory}/${name}`;
    const node = image.nodes[path];
    return node && !name.startsWith(".") ? [{ name, path, node }] : [];
  });
}

/** Whether anybody may execute a file. */
export function isExecutable({ type, mode }: Node): boolean {
  return type === "file" && (mode & 0o111) !== 0;
}
