// Walking a file that nobody vouches for. HDF5's parser is C code with a history of crashes on
// crafted files, so a child process walks the whole file first: when the child dies, the file is
// refused and the caller lives. The child runs C code only, which is safe after fork() in a process
// with threads.
#ifndef BULWARK_CHDF5_TRIAL_H
#define BULWARK_CHDF5_TRIAL_H

#include <errno.h>
#include <fcntl.h>
#include <hdf5.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/// Sets the error stack aside, so that cleaning up after a failure does not clear it.
static inline hid_t bw_h5_keep_errors(bool failed) {
  return failed ? H5Eget_current_stack() : -1;
}

/// Puts back what ``bw_h5_keep_errors`` set aside.
static inline void bw_h5_restore_errors(hid_t kept) {
  if (kept >= 0) H5Eset_current_stack(kept);
}

static inline hid_t bw_h5_open_readonly(const char *path) {
  hid_t access = H5Pcreate(H5P_FILE_ACCESS), result = -1;
  if (access < 0) return -1;
  if (H5Pset_fclose_degree(access, H5F_CLOSE_STRONG) >= 0 &&
      H5Pset_file_locking(access, false, true) >= 0) {
    result = H5Fopen(path, H5F_ACC_RDONLY, access);
  }
  hid_t errors = bw_h5_keep_errors(result < 0);
  H5Pclose(access);
  bw_h5_restore_errors(errors);
  return result;
}

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

typedef struct { hid_t group; int depth; uint64_t limit; } bw_h5_walk_state;

static inline void bw_h5_walk_attributes(hid_t object, uint64_t count) {
  for (hsize_t i = 0; i < count && i < 1024; i++) {
    hid_t attribute =
        H5Aopen_by_idx(object, ".", H5_INDEX_NAME, H5_ITER_INC, i, H5P_DEFAULT, H5P_DEFAULT);
    if (attribute < 0) return;
    hid_t type = H5Aget_type(attribute), space = H5Aget_space(attribute);
    if (type >= 0 && space >= 0) {
      H5T_class_t kind = H5Tget_class(type);
      hssize_t count = H5Sget_simple_extent_npoints(space);
      size_t size = H5Tget_size(type);
      bool plain = kind == H5T_INTEGER || kind == H5T_FLOAT ||
                   (kind == H5T_STRING && H5Tis_variable_str(type) == 0);
      if (plain && count > 0 && count <= 65536 && size > 0 && size <= 65536) {
        void *bytes = malloc((size_t)count * size);
        if (bytes) H5Aread(attribute, type, bytes);
        free(bytes);
      }
    }
    if (type >= 0) H5Tclose(type);
    if (space >= 0) H5Sclose(space);
    H5Aclose(attribute);
  }
}

static inline void bw_h5_walk_dataset(hid_t dataset, uint64_t limit) {
  hid_t type = H5Dget_type(dataset), space = H5Dget_space(dataset);
  hid_t plist = H5Dget_create_plist(dataset);
  if (type >= 0 && space >= 0 && plist >= 0) {
    H5D_layout_t layout = H5Pget_layout(plist);
    hssize_t count = H5Sget_simple_extent_npoints(space);
    size_t size = H5Tget_size(type);
    H5T_class_t kind = H5Tget_class(type);
    bool plain = kind == H5T_INTEGER || kind == H5T_FLOAT || kind == H5T_COMPOUND ||
                 (kind == H5T_STRING && H5Tis_variable_str(type) == 0);
    bool small = count > 0 && size > 0 && (uint64_t)count <= limit / size;
    if (layout != H5D_VIRTUAL) H5Dget_storage_size(dataset);
    // Contiguous bytes are copied without interpretation, so only the others need a try.
    if (plain && small && (layout == H5D_COMPACT || layout == H5D_CHUNKED) &&
        H5Pget_nfilters(plist) == 0 && H5Pget_external_count(plist) == 0) {
      void *bytes = malloc((size_t)count * size);
      if (bytes) H5Dread(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, bytes);
      free(bytes);
    }
  }
  if (type >= 0) H5Tclose(type);
  if (space >= 0) H5Sclose(space);
  if (plist >= 0) H5Pclose(plist);
}

static inline int bw_h5_walk_group(hid_t group, int depth, uint64_t limit);

static inline int bw_h5_walk_link(const char *name, bool hard, void *context) {
  bw_h5_walk_state *state = (bw_h5_walk_state *)context;
  if (!hard) return 0;
  hid_t object = H5Oopen(state->group, name, H5P_DEFAULT);
  if (object < 0) return 0;
  unsigned links = 0;
  uint64_t attributes = 0;
  int kind = bw_h5_object_facts(object, &links, &attributes);
  bw_h5_walk_attributes(object, attributes);
  if (kind == 1) bw_h5_walk_dataset(object, state->limit);
  if (kind == 0 && links <= 1) bw_h5_walk_group(object, state->depth + 1, state->limit);
  H5Oclose(object);
  return 0;
}

static inline int bw_h5_walk_group(hid_t group, int depth, uint64_t limit) {
  bw_h5_walk_state state = {group, depth, limit};
  if (depth > 64) return 0;
  return bw_h5_each_link(group, bw_h5_walk_link, &state);
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

/// Walks the whole file in a child process. 0: the child came back, so the file can be parsed here;
/// 1: the child died or ran too long; -1: no child could be started.
static inline int bw_h5_trial(const char *path, uint64_t file_size) {
  int ends[2];
  if (pipe(ends) != 0) return -1;
  fcntl(ends[0], F_SETFD, FD_CLOEXEC);
  fcntl(ends[1], F_SETFD, FD_CLOEXEC);
  pid_t child = fork();
  if (child < 0) {
    close(ends[0]);
    close(ends[1]);
    return -1;
  }
  if (child == 0) {
    close(ends[0]);
    int silent = open("/dev/null", O_WRONLY);
    if (silent >= 0) dup2(silent, 2);
    bw_h5_limit_child(file_size);
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    hid_t file = bw_h5_open_readonly(path);
    if (file >= 0) {
      bw_h5_walk_attributes(file, 1024);
      bw_h5_walk_group(file, 0, file_size);
      H5Fclose(file);
    }
    char alive = 1;
    ssize_t written = write(ends[1], &alive, 1);
    _exit(written == 1 ? 0 : 1);
  }
  close(ends[1]);
  char alive = 0;
  ssize_t got;
  do { got = read(ends[0], &alive, 1); } while (got < 0 && errno == EINTR);
  close(ends[0]);
  int status;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {}
  return got == 1 && alive == 1 ? 0 : 1;
}

#endif
