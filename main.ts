// What is compiled: both programs, in one file of two names. Their permissions are the same, so the image holds Deno once.
import { readLink } from "./posix/libc.ts";

const file = readLink("/proc/self/exe") ?? ""; // However it is called, argv[0] and symbolic links aside.
await (file.endsWith("/setuser") ? import("./setuser.ts") : import("./init.ts"));
