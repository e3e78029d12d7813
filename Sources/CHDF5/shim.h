// HDF5 as Swift sees it. HDF5's type and property constants are macros with a function call inside,
// and some of its functions changed shape between 1.10 and 1.12; both are evened out here.
#ifndef BULWARK_CHDF5_SHIM_H
#define BULWARK_CHDF5_SHIM_H

#include <hdf5.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/// Element types by code; the result is a copy that the caller closes with H5Tclose.
enum {
  BW_H5_UINT8 = 0, BW_H5_INT8, BW_H5_UINT16, BW_H5_INT16, BW_H5_INT32, BW_H5_INT64,
  BW_H5_FLOAT16, BW_H5_FLOAT32, BW_H5_FLOAT64, BW_H5_SERIES_ROW, BW_H5_TYPE_COUNT
};

/// IEEE half precision, which HDF5 1.10 has no name for; h5py shows it as numpy float16.
static inline hid_t bw_h5_half(void) {
  hid_t type = H5Tcopy(H5T_IEEE_F32LE);
  if (type < 0) return type;
  if (H5Tset_fields(type, 15, 10, 5, 0, 10) < 0 || H5Tset_size(type, 2) < 0 ||
      H5Tset_ebias(type, 15) < 0) {
    H5Tclose(type);
    return -1;
  }
  return type;
}

/// One row of a metric series: int64 step, float64 value.
static inline hid_t bw_h5_series_row(void) {
  hid_t type = H5Tcreate(H5T_COMPOUND, 16);
  if (type < 0) return type;
  if (H5Tinsert(type, "step", 0, H5T_STD_I64LE) < 0 ||
      H5Tinsert(type, "value", 8, H5T_IEEE_F64LE) < 0) {
    H5Tclose(type);
    return -1;
  }
  return type;
}

static inline hid_t bw_h5_type(int code) {
  switch (code) {
    case BW_H5_UINT8: return H5Tcopy(H5T_STD_U8LE);
    case BW_H5_INT8: return H5Tcopy(H5T_STD_I8LE);
    case BW_H5_UINT16: return H5Tcopy(H5T_STD_U16LE);
    case BW_H5_INT16: return H5Tcopy(H5T_STD_I16LE);
    case BW_H5_INT32: return H5Tcopy(H5T_STD_I32LE);
    case BW_H5_INT64: return H5Tcopy(H5T_STD_I64LE);
    case BW_H5_FLOAT16: return bw_h5_half();
    case BW_H5_FLOAT32: return H5Tcopy(H5T_IEEE_F32LE);
    case BW_H5_FLOAT64: return H5Tcopy(H5T_IEEE_F64LE);
    case BW_H5_SERIES_ROW: return bw_h5_series_row();
    default: return -1;
  }
}

/// The code of a stored type, or -1 when Bulwark has no such type.
static inline int bw_h5_type_code(hid_t type) {
  static hid_t known[BW_H5_TYPE_COUNT];  // made once, under the lock that every caller holds
  for (int code = 0; code < BW_H5_TYPE_COUNT; code++) {
    if (known[code] <= 0) known[code] = bw_h5_type(code);
    if (known[code] > 0 && H5Tequal(type, known[code]) > 0) return code;
  }
  return -1;
}

/// A fixed-length UTF-8 string type of `size` bytes, padded with zeros.
static inline hid_t bw_h5_text_type(size_t size) {
  hid_t type = H5Tcopy(H5T_C_S1);
  if (type < 0) return type;
  if (H5Tset_size(type, size) < 0 || H5Tset_strpad(type, H5T_STR_NULLPAD) < 0 ||
      H5Tset_cset(type, H5T_CSET_UTF8) < 0) {
    H5Tclose(type);
    return -1;
  }
  return type;
}

/// Size in bytes of a fixed-length string type, 0 when the type is anything else.
static inline size_t bw_h5_text_size(hid_t type) {
  if (H5Tget_class(type) != H5T_STRING || H5Tis_variable_str(type) != 0) return 0;
  return H5Tget_size(type);
}

/// Turns HDF5's automatic printing of errors off (the setting is kept per thread).
static inline void bw_h5_silence(void) { H5Eset_auto2(H5E_DEFAULT, NULL, NULL); }

typedef struct { char *text; size_t capacity; size_t used; } bw_h5_text;

static inline void bw_h5_append(bw_h5_text *out, const char *text) {
  size_t length = text ? strlen(text) : 0;
  if (length == 0 || out->used + length + 1 > out->capacity) return;
  memcpy(out->text + out->used, text, length);
  out->used += length;
  out->text[out->used] = 0;
}

static inline herr_t bw_h5_error_line(unsigned n, const H5E_error2_t *error, void *context) {
  bw_h5_text *out = (bw_h5_text *)context;
  (void)n;
  bw_h5_append(out, error->func_name);
  bw_h5_append(out, ": ");
  bw_h5_append(out, error->desc);
  bw_h5_append(out, "\n");
  return 0;
}

/// Writes the error stack, outermost call first, one line each, and clears it.
static inline void bw_h5_take_errors(char *buffer, size_t capacity) {
  bw_h5_text out = {buffer, capacity, 0};
  buffer[0] = 0;
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_DOWNWARD, bw_h5_error_line, &out);
  H5Eclear2(H5E_DEFAULT);
}

/// Sets the error stack aside, so that cleaning up after a failure does not clear it.
static inline hid_t bw_h5_keep_errors(bool failed) {
  return failed ? H5Eget_current_stack() : -1;
}

/// Puts back what ``bw_h5_keep_errors`` set aside.
static inline void bw_h5_restore_errors(hid_t kept) {
  if (kept >= 0) H5Eset_current_stack(kept);
}

/// Opens a file for reading, without locks: files never change once they have their name.
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

/// Creates a file with a user block of `block` bytes; fails when the file exists.
static inline hid_t bw_h5_create_file(const char *path, size_t block) {
  hid_t result = -1;
  hid_t creation = H5Pcreate(H5P_FILE_CREATE), access = H5Pcreate(H5P_FILE_ACCESS);
  if (creation >= 0 && access >= 0 && H5Pset_userblock(creation, block) >= 0 &&
      H5Pset_obj_track_times(creation, false) >= 0 &&
      H5Pset_libver_bounds(access, H5F_LIBVER_V110, H5F_LIBVER_V110) >= 0 &&
      H5Pset_link_phase_change(creation, 4096, 4095) >= 0 &&
      H5Pset_fclose_degree(access, H5F_CLOSE_STRONG) >= 0) {
    result = H5Fcreate(path, H5F_ACC_EXCL, creation, access);
  }
  hid_t errors = bw_h5_keep_errors(result < 0);
  if (creation >= 0) H5Pclose(creation);
  if (access >= 0) H5Pclose(access);
  bw_h5_restore_errors(errors);
  return result;
}

/// A group without time stamps that keeps its links in the object header.
static inline hid_t bw_h5_create_group(hid_t parent, const char *name) {
  hid_t plist = H5Pcreate(H5P_GROUP_CREATE), result = -1;
  if (plist >= 0 && H5Pset_obj_track_times(plist, false) >= 0 &&
      H5Pset_link_phase_change(plist, 4096, 4095) >= 0) {
    result = H5Gcreate2(parent, name, H5P_DEFAULT, plist, H5P_DEFAULT);
  }
  hid_t errors = bw_h5_keep_errors(result < 0);
  if (plist >= 0) H5Pclose(plist);
  bw_h5_restore_errors(errors);
  return result;
}

/// A dataset without time stamps, fill or room kept for attributes (HDF5 would keep 256 bytes of each
/// header free). `rank` < 0 makes a scalar; `chunk` > 0 makes an extendable 1-D dataset; `compact` keeps
/// the bytes in the object header.
static inline hid_t bw_h5_create_dataset(
    hid_t parent, const char *name, hid_t type, int rank, const hsize_t *dims, hsize_t chunk,
    bool compact) {
  hsize_t unlimited = H5S_UNLIMITED;
  hid_t result = -1;
  hid_t space = rank < 0 ? H5Screate(H5S_SCALAR)
                         : H5Screate_simple(rank, dims, chunk > 0 ? &unlimited : NULL);
  hid_t plist = H5Pcreate(H5P_DATASET_CREATE);
  bool ready = space >= 0 && plist >= 0 && H5Pset_obj_track_times(plist, false) >= 0 &&
               H5Pset_fill_time(plist, H5D_FILL_TIME_NEVER) >= 0;
#if H5_VERSION_GE(1, 10, 5)
  ready = ready && H5Pset_dset_no_attrs_hint(plist, true) >= 0;
#endif
  if (ready && chunk > 0) ready = H5Pset_chunk(plist, 1, &chunk) >= 0;
  else if (ready && compact) ready = H5Pset_layout(plist, H5D_COMPACT) >= 0;
  else if (ready) ready = H5Pset_alloc_time(plist, H5D_ALLOC_TIME_EARLY) >= 0;
  if (ready) result = H5Dcreate2(parent, name, type, space, H5P_DEFAULT, plist, H5P_DEFAULT);
  hid_t errors = bw_h5_keep_errors(result < 0);
  if (plist >= 0) H5Pclose(plist);
  if (space >= 0) H5Sclose(space);
  bw_h5_restore_errors(errors);
  return result;
}

#ifdef __linux__
#include <sys/syscall.h>
#include <unistd.h>

/// Starts writing a file's dirty pages to the disk without waiting (sync_file_range).
static inline void bw_h5_start_writing(int file) {
#ifdef SYS_sync_file_range
  syscall(SYS_sync_file_range, file, (int64_t)0, (int64_t)0, 2 /* SYNC_FILE_RANGE_WRITE */);
#else
  (void)file;
#endif
}
#endif

/// A property list for data sets made by hand; the caller closes it with H5Pclose.
static inline hid_t bw_h5_dataset_plist(void) { return H5Pcreate(H5P_DATASET_CREATE); }

static inline herr_t bw_h5_write(hid_t dataset, hid_t type, const void *bytes) {
  return H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, bytes);
}

static inline herr_t bw_h5_read(hid_t dataset, hid_t type, void *bytes) {
  return H5Dread(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, bytes);
}

/// Reads rows `start ..< start + count` of the first axis.
static inline herr_t bw_h5_read_rows(
    hid_t dataset, hid_t type, hsize_t start, hsize_t count, void *bytes) {
  hsize_t dims[32], from[32] = {0};
  hid_t space = H5Dget_space(dataset), memory = -1;
  int rank = space < 0 ? -1 : H5Sget_simple_extent_ndims(space);
  herr_t status = -1;
  if (rank >= 1 && rank <= 32 && H5Sget_simple_extent_dims(space, dims, NULL) >= 0 &&
      start <= dims[0] && count <= dims[0] - start) {
    from[0] = start;
    dims[0] = count;
    memory = H5Screate_simple(rank, dims, NULL);
    if (memory >= 0 &&
        H5Sselect_hyperslab(space, H5S_SELECT_SET, from, NULL, dims, NULL) >= 0) {
      status = H5Dread(dataset, type, memory, space, H5P_DEFAULT, bytes);
    }
  }
  hid_t errors = bw_h5_keep_errors(status < 0);
  if (memory >= 0) H5Sclose(memory);
  if (space >= 0) H5Sclose(space);
  bw_h5_restore_errors(errors);
  return status;
}

/// Appends `count` rows to an extendable 1-D dataset that has `old` rows.
static inline herr_t bw_h5_append_rows(
    hid_t dataset, hid_t type, hsize_t old, hsize_t count, const void *bytes) {
  hsize_t total = old + count;
  if (H5Dset_extent(dataset, &total) < 0) return -1;
  hid_t space = H5Dget_space(dataset), memory = H5Screate_simple(1, &count, NULL);
  herr_t status = -1;
  if (space >= 0 && memory >= 0 &&
      H5Sselect_hyperslab(space, H5S_SELECT_SET, &old, NULL, &count, NULL) >= 0) {
    status = H5Dwrite(dataset, type, memory, space, H5P_DEFAULT, bytes);
  }
  hid_t errors = bw_h5_keep_errors(status < 0);
  if (memory >= 0) H5Sclose(memory);
  if (space >= 0) H5Sclose(space);
  bw_h5_restore_errors(errors);
  return status;
}

/// What is known about a dataset without reading it.
typedef struct {
  int type_code;       // -1: not a numeric type of Bulwark's
  uint64_t text_size;  // bytes of a fixed-length string, 0 for anything else
  int rank;            // -1: scalar; -2: neither scalar nor simple
  uint64_t dims[32];
  uint64_t stored_bytes;
  int layout;          // H5D_COMPACT 0, H5D_CONTIGUOUS 1, H5D_CHUNKED 2, H5D_VIRTUAL 3
  int filters;
  int external_files;
  uint64_t element_size;
} bw_h5_dataset_info;

static inline int bw_h5_describe(hid_t dataset, bw_h5_dataset_info *info) {
  memset(info, 0, sizeof *info);
  hid_t type = H5Dget_type(dataset), space = H5Dget_space(dataset);
  hid_t plist = H5Dget_create_plist(dataset);
  int status = -1;
  if (type >= 0 && space >= 0 && plist >= 0) {
    status = 0;
    info->type_code = bw_h5_type_code(type);
    info->text_size = bw_h5_text_size(type);
    info->element_size = H5Tget_size(type);
    info->layout = (int)H5Pget_layout(plist);
    info->filters = H5Pget_nfilters(plist);
    info->external_files = H5Pget_external_count(plist);
    H5S_class_t kind = H5Sget_simple_extent_type(space);
    if (kind == H5S_SCALAR) {
      info->rank = -1;
    } else if (kind == H5S_SIMPLE) {
      hsize_t dims[H5S_MAX_RANK];
      info->rank = H5Sget_simple_extent_dims(space, dims, NULL);
      if (info->rank < 0 || info->rank > 32) status = -1;
      for (int i = 0; status == 0 && i < info->rank; i++) info->dims[i] = dims[i];
    } else {
      info->rank = -2;
    }
    if (status == 0 && info->layout != H5D_VIRTUAL)
      info->stored_bytes = H5Dget_storage_size(dataset);
  }
  if (type >= 0) H5Tclose(type);
  if (space >= 0) H5Sclose(space);
  if (plist >= 0) H5Pclose(plist);
  return status;
}

/// Writes a fixed-length text attribute.
static inline herr_t bw_h5_set_text_attribute(
    hid_t object, const char *name, const char *text, size_t size) {
  hid_t type = bw_h5_text_type(size), space = H5Screate(H5S_SCALAR);
  hid_t attribute = -1;
  herr_t status = -1;
  if (type >= 0 && space >= 0)
    attribute = H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
  if (attribute >= 0) {
    status = H5Awrite(attribute, type, text);
    H5Aclose(attribute);
  }
  if (type >= 0) H5Tclose(type);
  if (space >= 0) H5Sclose(space);
  return status;
}

/// Writes a 64-bit integer attribute.
static inline herr_t bw_h5_set_int_attribute(hid_t object, const char *name, int64_t value) {
  hid_t space = H5Screate(H5S_SCALAR), attribute = -1;
  herr_t status = -1;
  if (space >= 0)
    attribute = H5Acreate2(object, name, H5T_STD_I64LE, space, H5P_DEFAULT, H5P_DEFAULT);
  if (attribute >= 0) {
    status = H5Awrite(attribute, H5T_STD_I64LE, &value);
    H5Aclose(attribute);
  }
  if (space >= 0) H5Sclose(space);
  return status;
}

/// Reads a scalar fixed-length text attribute: its size; 0 when absent; -1 when it is something else
/// or larger than `capacity`.
static inline long bw_h5_get_text_attribute(
    hid_t object, const char *name, char *buffer, size_t capacity) {
  htri_t there = H5Aexists(object, name);
  if (there <= 0) return there < 0 ? -1 : 0;
  long result = -1;
  hid_t attribute = H5Aopen(object, name, H5P_DEFAULT);
  if (attribute < 0) return -1;
  hid_t type = H5Aget_type(attribute), space = H5Aget_space(attribute);
  size_t size = type < 0 ? 0 : bw_h5_text_size(type);
  if (space >= 0 && size > 0 && size <= capacity &&
      H5Sget_simple_extent_type(space) == H5S_SCALAR && H5Aread(attribute, type, buffer) >= 0) {
    result = (long)size;
  }
  if (space >= 0) H5Sclose(space);
  if (type >= 0) H5Tclose(type);
  H5Aclose(attribute);
  return result;
}

/// Reads a scalar integer attribute: 1 when read, 0 when absent, -1 when it is something else.
static inline int bw_h5_get_int_attribute(hid_t object, const char *name, int64_t *value) {
  htri_t there = H5Aexists(object, name);
  if (there <= 0) return there < 0 ? -1 : 0;
  int result = -1;
  hid_t attribute = H5Aopen(object, name, H5P_DEFAULT);
  if (attribute < 0) return -1;
  hid_t type = H5Aget_type(attribute), space = H5Aget_space(attribute);
  if (space >= 0 && type >= 0 && H5Tget_class(type) == H5T_INTEGER && H5Tget_size(type) <= 8 &&
      H5Sget_simple_extent_type(space) == H5S_SCALAR &&
      H5Aread(attribute, H5T_STD_I64LE, value) >= 0) {
    result = 1;
  }
  if (space >= 0) H5Sclose(space);
  if (type >= 0) H5Tclose(type);
  H5Aclose(attribute);
  return result;
}

#include "survey.h"

#endif
