/** The numbers of the system calls that are used here, on x86-64 and on aarch64. syscalls(2) */
export const syscalls = {
  // Processes.
  execve: [59, 221],
  exit_group: [231, 94],
  getpid: [39, 172],
  kill: [62, 129],
  waitid: [247, 95],
  prctl: [157, 167],
  clone: [56, 220],
  setsid: [112, 157],
  // Signals and time.
  rt_sigaction: [13, 134],
  rt_sigprocmask: [14, 135],
  rt_sigpending: [127, 136],
  rt_sigtimedwait: [128, 137],
  signalfd4: [289, 74],
  ppoll: [271, 73],
  clock_gettime: [228, 113],
  // Memory.
  mmap: [9, 222],
  munmap: [11, 215],
  // Files.
  openat: [257, 56],
  close: [3, 57],
  read: [0, 63],
  write: [1, 64],
  pread64: [17, 67],
  newfstatat: [262, 79],
  fstat: [5, 80],
  faccessat: [269, 48],
  readlinkat: [267, 78],
  chdir: [80, 49],
  pipe2: [293, 59],
  dup3: [292, 24],
  fchmod: [91, 52],
  close_range: [436, 436],
  unlinkat: [263, 35],
  // Sockets.
  socket: [41, 198],
  bind: [49, 200],
  getsockname: [51, 204],
  setsockopt: [54, 208],
  recvmsg: [47, 212],
  // Users and groups.
  getegid: [108, 177],
  getresuid: [118, 148],
  setresuid: [117, 147],
  getresgid: [120, 150],
  setresgid: [119, 149],
  getgroups: [115, 158],
  setgroups: [116, 159],
} as const;

export type SystemCall = keyof typeof syscalls;
