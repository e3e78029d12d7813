// Reading a file that nobody vouches for. HDF5's parser is C code that crashes on crafted files, so a
// child process parses the file and reports what it holds through a pipe: where each data set lies,
// its type and shape, and the bytes of those that do not lie in one piece. When the child dies, the
// file is refused and the caller lives. The child runs C code only, which is safe after fork() in a
// process with threads.
#ifndef BULWARK_CHDF5_SURVEY_H
#define BULWARK_CHDF5_SURVEY_H


#include <errno.h>
#include <fcntl.h>
#include <hdf5.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/// Kind of an object (0 group, 1 dataset, 2 named type, -1 unknown), its number of hard links, and its
/// number of attributes.
static inline int bw_h5_object_facts(hid_t object, unsigned *links, uint64_t *attributes) {
  H5O_info_t info;
#if H5_VERSION_GE(1, 12, 0)
  herr_t status = H5Oget_info3(object, &info, H5O_INFO_BASIC | H5O_INFO_NUM_ATTRS);
#else
  herr_t status = H5Oget_info2(object, &info, H5O_INFO_BASIC | H5O_INFO_NUM_ATTRS);
#endif
  if (status < 0) return -1;
  *links = (unsigned)info.rc;
  *attributes = info.num_attrs;
  switch (info.type) {
    case H5O_TYPE_GROUP: return 0;
    case H5O_TYPE_DATASET: return 1;
    case H5O_TYPE_NAMED_DATATYPE: return 2;
    default: return -1;
  }
}

static inline int bw_h5_object_kind(hid_t object, unsigned *links) {
  uint64_t attributes;
  return bw_h5_object_facts(object, links, &attributes);
}

/// Called with each link of a group: its name, whether it is a hard link, and the context.
/// A negative return ends the walk.
typedef int (*bw_h5_link_visitor)(const char *name, bool hard, void *context);

typedef struct { bw_h5_link_visitor visit; void *context; } bw_h5_visit;

static inline herr_t bw_h5_one_link(
    hid_t group, const char *name, const H5L_info_t *info, void *context) {
  bw_h5_visit *visit = (bw_h5_visit *)context;
  (void)group;
  return visit->visit(name, info->type == H5L_TYPE_HARD, visit->context);
}

/// Visits the links of a group in the order of their names; negative when the walk failed.
static inline int bw_h5_each_link(hid_t group, bw_h5_link_visitor visit, void *context) {
  bw_h5_visit state = {visit, context};
  hsize_t from = 0;
  return H5Literate(group, H5_INDEX_NAME, H5_ITER_INC, &from, bw_h5_one_link, &state) < 0 ? -1 : 0;
}

/// Records of a report. Each is: uint32 tag, uint32 length of the path, path, then what the tag says.
enum {
  BW_H5_DATASET = 1,    // bw_h5_dataset_info, uint64 offset, uint64 length, bytes
  BW_H5_ATTRIBUTE = 2,  // uint32 length of the name, name, uint32 length of the text, text
  BW_H5_REFUSED_LINK = 3,
  BW_H5_REPEATED_LINK = 4,
  BW_H5_OTHER_OBJECT = 5,
  BW_H5_TOO_DEEP = 6,
  BW_H5_UNREADABLE = 7,  // uint32 length, HDF5's error stack
  BW_H5_END = 8
};

typedef struct {
  int out;
  uint64_t file_size;
  uint64_t inlined;  // bytes of elements sent so far
} bw_h5_survey;

typedef struct { bw_h5_survey *survey; hid_t group; const char *path; int depth; } bw_h5_place;

static inline void bw_h5_send(bw_h5_survey *survey, const void *bytes, size_t count) {
  const char *next = (const char *)bytes;
  while (count > 0) {
    ssize_t put = write(survey->out, next, count);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) _exit(1);  // the caller is gone
    next += put;
    count -= (size_t)put;
  }
}

static inline void bw_h5_send_text(bw_h5_survey *survey, const char *text, size_t length) {
  uint32_t size = (uint32_t)length;
  bw_h5_send(survey, &size, sizeof size);
  bw_h5_send(survey, text, size);
}

static inline void bw_h5_send_head(bw_h5_survey *survey, uint32_t tag, const char *path) {
  bw_h5_send(survey, &tag, sizeof tag);
  bw_h5_send_text(survey, path, strlen(path));
}

/// Ends the survey with HDF5's messages.
static inline int bw_h5_send_unreadable(bw_h5_survey *survey, const char *path) {
  static char text[8192];
  bw_h5_take_errors(text, sizeof text);
  bw_h5_send_head(survey, BW_H5_UNREADABLE, path);
  bw_h5_send_text(survey, text, strlen(text));
  return -1;
}

/// Sends the short text attributes that the format knows; others are of no concern.
static inline int bw_h5_survey_attributes(bw_h5_survey *survey, hid_t object, const char *path) {
  static const char *const names[] = {"format", "digests_sha256", "bulwark.dtype", "unit"};
  char text[4096];
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    long size = bw_h5_get_text_attribute(object, names[i], text, sizeof text);
    if (size < 0) return bw_h5_send_unreadable(survey, path);
    if (size == 0) continue;
    bw_h5_send_head(survey, BW_H5_ATTRIBUTE, path);
    bw_h5_send_text(survey, names[i], strlen(names[i]));
    bw_h5_send_text(survey, text, strnlen(text, (size_t)size));
  }
  return 0;
}

/// Bytes that shape and type ask for, UINT64_MAX when that is no sane number.
static inline uint64_t bw_h5_declared_bytes(const bw_h5_dataset_info *info) {
  uint64_t total = info->element_size;
  for (int i = 0; i < info->rank; i++) {
    if (__builtin_mul_overflow(total, info->dims[i], &total)) return UINT64_MAX;
  }
  return total;
}

static inline int bw_h5_survey_dataset(bw_h5_survey *survey, hid_t dataset, const char *path) {
  bw_h5_dataset_info info;
  if (bw_h5_describe(dataset, &info) < 0) return bw_h5_send_unreadable(survey, path);
  uint64_t offset = UINT64_MAX, count = bw_h5_declared_bytes(&info);
  void *bytes = NULL;
  if (info.layout == H5D_CONTIGUOUS) {
    haddr_t place = H5Dget_offset(dataset);
    if (place != HADDR_UNDEF) offset = place;
    count = 0;
  } else if ((info.layout != H5D_COMPACT && info.layout != H5D_CHUNKED) || info.filters != 0 ||
             info.external_files != 0 || (info.type_code < 0 && info.text_size == 0) ||
             count > survey->file_size - survey->inlined) {
    count = 0;  // the caller refuses it by its description
  }
  if (count > 0) {
    hid_t type = H5Dget_type(dataset);
    bytes = malloc((size_t)count);
    if (type < 0 || !bytes ||
        H5Dread(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, bytes) < 0) {
      return bw_h5_send_unreadable(survey, path);
    }
    H5Tclose(type);
    survey->inlined += count;
  }
  bw_h5_send_head(survey, BW_H5_DATASET, path);
  bw_h5_send(survey, &info, sizeof info);
  bw_h5_send(survey, &offset, sizeof offset);
  bw_h5_send(survey, &count, sizeof count);
  bw_h5_send(survey, bytes, (size_t)count);
  free(bytes);
  return 0;
}

static inline int bw_h5_survey_group(
    bw_h5_survey *survey, hid_t group, const char *path, int depth);

static inline int bw_h5_survey_link(const char *name, bool hard, void *context) {
  bw_h5_place *place = (bw_h5_place *)context;
  bw_h5_survey *survey = place->survey;
  size_t size = strlen(place->path) + strlen(name) + 2;
  char *path = (char *)malloc(size);
  if (!path) return -1;
  snprintf(path, size, "%s/%s", place->path, name);
  int status = 0;
  if (!hard) {
    bw_h5_send_head(survey, BW_H5_REFUSED_LINK, path);
    free(path);
    return -1;
  }
  hid_t object = H5Oopen(place->group, name, H5P_DEFAULT);
  if (object < 0) {
    status = bw_h5_send_unreadable(survey, path);
  } else {
    unsigned links = 0;
    uint64_t attributes = 0;
    int kind = bw_h5_object_facts(object, &links, &attributes);
    if (links > 1 || (kind != 0 && kind != 1) || place->depth >= 64) {
      bw_h5_send_head(
          survey,
          links > 1 ? BW_H5_REPEATED_LINK : kind < 0 || kind > 1 ? BW_H5_OTHER_OBJECT
                                                                  : BW_H5_TOO_DEEP, path);
      status = -1;
    }
    if (status == 0 && attributes > 0) status = bw_h5_survey_attributes(survey, object, path);
    if (status == 0) {
      status = kind == 1 ? bw_h5_survey_dataset(survey, object, path)
                         : bw_h5_survey_group(survey, object, path, place->depth + 1);
    }
    H5Oclose(object);
  }
  free(path);
  return status;
}

static inline int bw_h5_survey_group(
    bw_h5_survey *survey, hid_t group, const char *path, int depth) {
  bw_h5_place place = {survey, group, path, depth};
  return bw_h5_each_link(group, bw_h5_survey_link, &place);
}

static inline void bw_h5_limit_child(uint64_t file_size) {
  struct rlimit none = {0, 0}, processor = {60, 60};
  setrlimit(RLIMIT_CORE, &none);
  setrlimit(RLIMIT_CPU, &processor);
#ifdef __linux__
  unsigned long pages = 0;
  FILE *status = fopen("/proc/self/statm", "r");
  if (status && fscanf(status, "%lu", &pages) == 1) {
    rlim_t most = (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + file_size * 2 + (1u << 30);
    struct rlimit memory = {most, most};
    setrlimit(RLIMIT_AS, &memory);
  }
  if (status) fclose(status);
#else
  (void)file_size;
#endif
  signal(SIGSEGV, SIG_DFL); signal(SIGBUS, SIG_DFL); signal(SIGABRT, SIG_DFL);
  signal(SIGFPE, SIG_DFL); signal(SIGILL, SIG_DFL); signal(SIGTERM, SIG_DFL);
  signal(SIGINT, SIG_IGN); signal(SIGALRM, SIG_DFL);
  alarm(120);
}

/// Starts a child process that surveys a file. Returns the end of the pipe that its report comes from,
/// or -1 when no child could be started. The report is complete when its last record is BW_H5_END;
/// `child` is to be waited for with bw_h5_reap.
static inline int bw_h5_start_survey(const char *path, uint64_t file_size, int *child) {
  int ends[2];
#ifdef __linux__
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return -1;
#else
  if (pipe(ends) != 0) return -1;
  fcntl(ends[0], F_SETFD, FD_CLOEXEC);
  fcntl(ends[1], F_SETFD, FD_CLOEXEC);
#endif
  pid_t made = fork();
  if (made != 0) {
    close(ends[1]);
    if (made < 0) close(ends[0]);
    *child = (int)made;
    return made < 0 ? -1 : ends[0];
  }
  close(ends[0]);
  int silent = open("/dev/null", O_WRONLY);
  if (silent >= 0) dup2(silent, 2);
  bw_h5_limit_child(file_size);
  H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
  bw_h5_survey survey = {ends[1], file_size, 0};
  hid_t file = bw_h5_open_readonly(path);
  int status = -1;
  if (file < 0) {
    bw_h5_send_unreadable(&survey, "/");
  } else {
    status = bw_h5_survey_attributes(&survey, file, "");
    if (status == 0) status = bw_h5_survey_group(&survey, file, "", 0);
    if (status < 0) bw_h5_send_unreadable(&survey, "/");
  }
  bw_h5_send_head(&survey, BW_H5_END, "");
  _exit(0);
}

/// Waits for a child, after its pipe has been closed.
static inline void bw_h5_reap(int child) {
  int status;
  while (waitpid((pid_t)child, &status, 0) < 0 && errno == EINTR) {}
}

#endif
