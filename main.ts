// What is compiled: both programs, in one file of two names. Their permissions are the same, so the image holds Deno once.
import { getpid, readLink } from "./posix/libc.ts";

// The name of the file, argv[0] and symbolic links aside. A copy that is called otherwise is an init as PID 1 only.
const name = (readLink("/proc/self/exe") ?? "").split("/").at(-1);
const isInit = name === "my_init" || (name !== "setuser" && getpid() === 1);
await (isInit ? import("./init.ts") : import("./setuser.ts"));
