/** Commands that cannot be run, with the status and the reason that both programs give. */
export interface Refusal {
  status: 126 | 127;
  reason: string;
  /** `/mnt/x` when absent. */
  words?: string[];
  files?: Record<string, string>;
  before?: string;
  env?: Record<string, string>;
}

export const refusals: Record<string, Refusal> = {
  "a command that is not in PATH": {
    words: ["nosuch"],
    status: 127,
    reason: "nosuch: not found in PATH (",
  },
  "a path that does not exist": {
    words: ["/mnt/nosuch"],
    status: 127,
    reason: "/mnt/nosuch: no such file\n",
  },
  "an empty command": { words: [""], status: 127, reason: ": the command is empty\n" },
  "a directory": { words: ["/mnt"], status: 126, reason: "/mnt: /mnt is a directory\n" },
  "a file without permission to execute": {
    files: { "/mnt/x": "echo no" },
    status: 126,
    reason: "/mnt/x: /mnt/x is not executable; try chmod +x /mnt/x\n",
  },
  "a command of PATH without permission to execute": {
    words: ["x"],
    env: { PATH: "/nosuch:/mnt" },
    files: { "/mnt/x": "echo no" },
    status: 126,
    reason: "x: /mnt/x is not executable; try chmod +x /mnt/x\n",
  },
  "a script without an interpreter line": {
    files: { "/mnt/x": "echo no\n" },
    before: "chmod +x /mnt/x",
    status: 126,
    reason: "/mnt/x: /mnt/x has no interpreter line; let it begin with #!/bin/sh\n",
  },
  "an empty script": {
    files: { "/mnt/x": "" },
    before: "chmod +x /mnt/x",
    status: 126,
    reason: "/mnt/x has no interpreter line",
  },
  "a script with an empty interpreter line": {
    files: { "/mnt/x": "#! \necho no\n" },
    status: 126,
    reason: "/mnt/x has no interpreter line",
  },
  "a script whose interpreter is missing": {
    files: { "/mnt/x": "#!/usr/bin/nosuch -x\n" },
    status: 127,
    reason: "/mnt/x: the interpreter /usr/bin/nosuch of /mnt/x does not exist",
  },
  "a script whose interpreter is a directory": {
    files: { "/mnt/x": "#!/mnt\n" },
    status: 126,
    reason: "/mnt/x: ",
  },
  "a script whose interpreter is not executable": {
    files: { "/mnt/x": "#!/mnt/y\n", "/mnt/y": "echo no" },
    status: 126,
    reason: "/mnt/x: ",
  },
  "a script with Windows line ends": {
    files: { "/mnt/x": "#!/bin/sh\r\necho no\r\n" },
    status: 127,
    reason: "/mnt/x: /mnt/x has Windows line ends; convert them\n",
  },
  "a binary that this machine cannot run": {
    files: { "/mnt/x": "\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0junk\0junk" },
    before: "chmod +x /mnt/x",
    status: 126,
    reason: "/mnt/x: ",
  },
  "a file on a file system mounted noexec": {
    files: { "/mnt/x": "#!/bin/sh\n" },
    before: "mkdir /mnt/m; mount -t tmpfs -o noexec m /mnt/m; cp /mnt/x /mnt/m",
    words: ["/mnt/m/x"],
    status: 126,
    reason: "/mnt/m/x: ",
  },
};
