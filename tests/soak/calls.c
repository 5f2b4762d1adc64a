// Stands between a program and its file calls (LD_PRELOAD): counts them, lets one end the program, fail
// or do half of its work, or writes down what reaches the disk. calls.py builds it and sets what it reads:
//
//   SOAK_KINDS  the kinds that count, by commas; a call of another kind goes through unseen
//   SOAK_AT     the number, from 1, of the call that something happens to; none: nothing happens
//   SOAK_DO     kill: SIGKILL before it; half: a write does half, then SIGKILL; short: a write does half;
//               a number: it fails with that errno
//   SOAK_SEEN   a file that gets the number of calls that counted, at the end, or one line at the hit
//   SOAK_LOG    a file that gets every change of a file or a folder, in order
//
// What goes to the terminal (descriptors 0 to 2) does not count.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long count, at;
static int log_fd = -1, seen_fd = -1;
static const char* kinds = NULL;
static const char* what = NULL;
static int ready = 0;

static int open_kept(const char* variable) {
  const char* path = getenv(variable);
  if (path == NULL) return -1;
  const long fd = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  // High, so that the program's own descriptors have the numbers that they would have.
  const int high = fcntl((int)fd, F_DUPFD_CLOEXEC, 500);
  syscall(SYS_close, fd);
  return high;
}

__attribute__((constructor)) static void begin(void) {
  kinds = getenv("SOAK_KINDS");
  what = getenv("SOAK_DO");
  at = getenv("SOAK_AT") != NULL ? atol(getenv("SOAK_AT")) : 0;
  log_fd = open_kept("SOAK_LOG");
  seen_fd = open_kept("SOAK_SEEN");
  ready = 1;
}

static void put(int fd, const void* data, size_t size) {
  while (size > 0) {
    const long n = syscall(SYS_write, fd, data, size);
    if (n <= 0) return;
    data = (const char*)data + n;
    size -= (size_t)n;
  }
}

__attribute__((destructor)) static void end(void) {
  char text[32];
  if (seen_fd < 0) return;
  put(seen_fd, text, (size_t)snprintf(text, sizeof text, "%ld\n", count));
}

static int counts(const char* kind) {
  const size_t size = strlen(kind);
  for (const char* p = kinds; p != NULL && (p = strstr(p, kind)) != NULL; p += size)
    if ((p == kinds || p[-1] == ',') && (p[size] == ',' || p[size] == '\0')) return 1;
  return 0;
}

static void die(void) {
  syscall(SYS_kill, getpid(), SIGKILL);
  for (;;) pause();
}

enum { GO_ON, HALF, HALF_AND_DIE, FAIL };

// What becomes of the next call of this kind. `is_write`: it can be done by half.
static int fate(const char* kind, int is_write) {
  if (!ready || !counts(kind)) return GO_ON;
  pthread_mutex_lock(&lock);
  const int hit = ++count == at;
  pthread_mutex_unlock(&lock);
  if (!hit || what == NULL) return GO_ON;
  char text[64];
  if (seen_fd >= 0) put(seen_fd, text, (size_t)snprintf(text, sizeof text, "hit %s\n", kind));
  if (strcmp(what, "kill") == 0) die();
  if (strcmp(what, "half") == 0) {
    if (!is_write) die();
    return HALF_AND_DIE;
  }
  if (strcmp(what, "short") == 0) return is_write ? HALF : GO_ON;
  errno = atoi(what);
  return FAIL;
}

static const char* path_of(int fd, char* buffer) {
  char name[64];
  snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
  const long n = syscall(SYS_readlink, name, buffer, PATH_MAX - 1);
  buffer[n > 0 ? n : 0] = '\0';
  return buffer;
}

static const char* absolute(int folder, const char* path, char* buffer) {
  char base[PATH_MAX] = "";
  if (path[0] == '/') return path;
  if (folder == AT_FDCWD) {
    if (syscall(SYS_getcwd, base, sizeof base) < 0) base[0] = '\0';
  } else {
    path_of(folder, base);
  }
  snprintf(buffer, 2 * PATH_MAX, "%s/%s", base, path);
  return buffer;
}

// One entry: kind, first path, second path, size, then so many bytes. Fields end with NUL.
static void note(const char* kind, const char* a, const char* b, const void* data, size_t size) {
  if (log_fd < 0) return;
  char head[3 * PATH_MAX];
  int n = snprintf(head, sizeof head, "%s%c%s%c%s%c%zu%c", kind, 0, a, 0, b, 0, size, 0);
  pthread_mutex_lock(&lock);
  put(log_fd, head, (size_t)n);
  put(log_fd, data, size);
  pthread_mutex_unlock(&lock);
}

static void note_paths(const char* kind, int fa, const char* a, int fb, const char* b) {
  char left[2 * PATH_MAX], right[2 * PATH_MAX];
  const int kept = errno;
  note(kind, absolute(fa, a, left), b != NULL ? absolute(fb, b, right) : "", "", 0);
  errno = kept;
}


static int open_any(int folder, const char* path, int flags, mode_t mode) {
  const int makes = (flags & (O_CREAT | O_TRUNC)) != 0;
  const int changes = makes || (flags & O_ACCMODE) != O_RDONLY;
  if (fate(changes ? "create" : "open", 0) == FAIL) return -1;
  struct stat info;
  const int was = makes && log_fd >= 0 && syscall(SYS_newfstatat, folder, path, &info, 0) == 0;
  const int fd = (int)syscall(SYS_openat, folder, path, flags, mode);
  if (fd >= 0 && makes && (!was || (flags & O_TRUNC))) note_paths(was ? "cut" : "create", folder, path, 0, NULL);
  return fd;
}

int open(const char* path, int flags, ...) {
  va_list list;
  va_start(list, flags);
  const mode_t mode = flags & O_CREAT ? va_arg(list, mode_t) : 0;
  va_end(list);
  return open_any(AT_FDCWD, path, flags, mode);
}
int open64(const char* path, int flags, ...) __attribute__((alias("open")));

int openat(int folder, const char* path, int flags, ...) {
  va_list list;
  va_start(list, flags);
  const mode_t mode = flags & O_CREAT ? va_arg(list, mode_t) : 0;
  va_end(list);
  return open_any(folder, path, flags, mode);
}
int openat64(int folder, const char* path, int flags, ...) __attribute__((alias("openat")));

static void note_write(int fd, const void* data, ssize_t size) {
  char path[PATH_MAX];
  if (log_fd < 0 || size <= 0) return;
  const int kept = errno;
  note("write", path_of(fd, path), "", data, (size_t)size);
  errno = kept;
}

ssize_t write(int fd, const void* data, size_t size) {
  if (fd <= 2) return syscall(SYS_write, fd, data, size);
  const int next = fate("write", size > 1);
  if (next == FAIL) return -1;
  const ssize_t n = syscall(SYS_write, fd, data, next == GO_ON ? size : size / 2);
  if (next == HALF_AND_DIE) die();
  note_write(fd, data, n);
  return n;
}

ssize_t writev(int fd, const struct iovec* parts, int number) {
  ssize_t total = 0;
  if (fd <= 2) return syscall(SYS_writev, fd, parts, number);
  for (int i = 0; i < number; ++i) {
    const ssize_t n = write(fd, parts[i].iov_base, parts[i].iov_len);
    if (n < 0) return total > 0 ? total : -1;
    total += n;
    if ((size_t)n < parts[i].iov_len) break;
  }
  return total;
}

// As a copy by reading and writing, so that what is written is seen.
ssize_t sendfile(int out, int in, off_t* offset, size_t size) {
  char part[1 << 16];
  const size_t most = size < sizeof part ? size : sizeof part;
  const ssize_t n = offset != NULL ? syscall(SYS_pread64, in, part, most, *offset) : syscall(SYS_read, in, part, most);
  if (n <= 0) return n;
  const ssize_t written = write(out, part, (size_t)n);
  if (written > 0 && offset != NULL) *offset += written;
  if (written > 0 && written < n && offset == NULL) lseek(in, written - n, SEEK_CUR);
  return written;
}
ssize_t sendfile64(int out, int in, off_t* offset, size_t size) __attribute__((alias("sendfile")));

ssize_t copy_file_range(int in, off_t* from, int out, off_t* to, size_t size, unsigned flags) {
  (void)in, (void)from, (void)out, (void)to, (void)size, (void)flags;
  errno = EXDEV;  // the caller copies otherwise
  return -1;
}

#define FILE_CALL(name, kind, parameters, number, arguments, noted) \
  int name parameters {                                             \
    if (fate(kind, 0) == FAIL) return -1;                           \
    const int result = (int)syscall(number, arguments);             \
    if (result == 0) noted;                                         \
    return result;                                                  \
  }
#define WITH(...) __VA_ARGS__

static void note_sync(int fd) {
  char path[PATH_MAX];
  const int kept = errno;
  note("sync", path_of(fd, path), "", "", 0);
  errno = kept;
}

static void note_cut(const char* path, int fd, off_t size) {
  char buffer[2 * PATH_MAX], digits[32];
  if (log_fd < 0) return;
  snprintf(digits, sizeof digits, "%lld", (long long)size);
  note("truncate", path != NULL ? absolute(AT_FDCWD, path, buffer) : path_of(fd, buffer), digits, "", 0);
}

FILE_CALL(fsync, "sync", (int fd), SYS_fsync, WITH(fd), note_sync(fd))
FILE_CALL(fdatasync, "sync", (int fd), SYS_fdatasync, WITH(fd), note_sync(fd))
FILE_CALL(rename, "rename", (const char* a, const char* b), SYS_rename, WITH(a, b), note_paths("rename", AT_FDCWD, a, AT_FDCWD, b))
FILE_CALL(link, "link", (const char* a, const char* b), SYS_link, WITH(a, b), note_paths("link", AT_FDCWD, a, AT_FDCWD, b))
FILE_CALL(symlink, "link", (const char* a, const char* b), SYS_symlink, WITH(a, b), note_paths("symlink", AT_FDCWD, a, AT_FDCWD, b))
FILE_CALL(unlink, "unlink", (const char* a), SYS_unlink, WITH(a), note_paths("unlink", AT_FDCWD, a, 0, NULL))
FILE_CALL(unlinkat, "unlink", (int folder, const char* a, int flags), SYS_unlinkat, WITH(folder, a, flags), note_paths("unlink", folder, a, 0, NULL))
FILE_CALL(rmdir, "unlink", (const char* a), SYS_rmdir, WITH(a), note_paths("unlink", AT_FDCWD, a, 0, NULL))
// "again" where there is such a name already: that changes nothing.
static const char* kind_of_mkdir(const char* path) {
  struct stat info;
  return syscall(SYS_lstat, path, &info) == 0 ? "again" : "mkdir";
}
FILE_CALL(mkdir, kind_of_mkdir(a), (const char* a, mode_t mode), SYS_mkdir, WITH(a, mode), note_paths("mkdir", AT_FDCWD, a, 0, NULL))
FILE_CALL(fchmod, "mode", (int fd, mode_t mode), SYS_fchmod, WITH(fd, mode), (void)0)
FILE_CALL(fchown, "mode", (int fd, uid_t user, gid_t group), SYS_fchown, WITH(fd, user, group), (void)0)
FILE_CALL(flock, "lock", (int fd, int operation), SYS_flock, WITH(fd, operation), (void)0)
FILE_CALL(truncate, "truncate", (const char* path, off_t size), SYS_truncate, WITH(path, size), note_cut(path, 0, size))
FILE_CALL(ftruncate, "truncate", (int fd, off_t size), SYS_ftruncate, WITH(fd, size), note_cut(NULL, fd, size))
FILE_CALL(fstat, "stat", (int fd, struct stat* info), SYS_fstat, WITH(fd, info), (void)0)
FILE_CALL(stat, "stat", (const char* path, struct stat* info), SYS_stat, WITH(path, info), (void)0)
FILE_CALL(lstat, "stat", (const char* path, struct stat* info), SYS_lstat, WITH(path, info), (void)0)
int truncate64(const char* path, off_t size) __attribute__((alias("truncate")));
int ftruncate64(int fd, off_t size) __attribute__((alias("ftruncate")));

int remove(const char* path) {
  struct stat info;
  if (syscall(SYS_lstat, path, &info) != 0) return -1;
  return S_ISDIR(info.st_mode) ? rmdir(path) : unlink(path);
}

ssize_t read(int fd, void* data, size_t size) {
  if (fd > 2 && fate("read", 0) == FAIL) return -1;
  return syscall(SYS_read, fd, data, size);
}

int close(int fd) {
  const int failed = fd > 2 && fate("close", 0) == FAIL;
  const int kept = errno;
  const int result = (int)syscall(SYS_close, fd);  // also where it fails
  if (!failed) return result;
  errno = kept;
  return -1;
}

void* mmap(void* address, size_t size, int protection, int flags, int fd, off_t offset) {
  if (fd > 2 && fate("map", 0) == FAIL) return MAP_FAILED;
  return (void*)syscall(SYS_mmap, address, size, protection, flags, fd, offset);
}
