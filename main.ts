// What is compiled: both programs, as one file with two names. Their permissions are the same, so the image contains Deno once.
import { getpid, readLink } from "./posix/libc.ts";

// The name of the file itself; argv[0] and symbolic links do not count. A copy with another name is an init as PID 1 only.
const name = (readLink("/proc/self/exe") ?? "").split("/").at(-1);
const isInit = name === "my_init" || (name !== "setuser" && getpid() === 1);
await (isInit ? import("./init.ts") : import("./setuser.ts"));
