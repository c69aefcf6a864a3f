import { type ByteString } from "../posix/bytes.ts";

/** What a path leads to, links followed. */
export interface Node {
  /** `nothing` is a link that leads nowhere. */
  type: "file" | "directory" | "pipe" | "other" | "nothing";
  mode: number;
  uid: number;
  /** A file's content: only the beginning of a binary; nothing when it may not be read, or need not be. */
  text?: ByteString;
  /** The names in a directory; nothing when it may not be listed. */
  names?: readonly ByteString[];
}

/** All of an image that is looked at, as a plain value. */
export interface Image {
  nodes: Readonly<Record<ByteString, Node>>;
  /** The directory of the startup scripts. Without it, startup scripts are not looked at. */
  startup?: ByteString;
  /** Whether services are looked at. */
  services: boolean;
  /** The names of users and groups; nothing when not all of them are known. */
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

/** What is in a directory; hidden names are left out, since all that reads these directories does so. */
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
