/*
 * graphdriver_v1.h - a graph driver's view of its host, ABI version 1.
 *
 * abi/README.md is the law; this header spells it for C. It needs nothing but
 * <stdint.h> and works without a C library; -mbulk-memory keeps the compiler
 * from calling one's memset and memcpy:
 *
 *   clang --target=wasm32 -mbulk-memory -nostdlib -O2 -Wl,--no-entry -o driver.wasm driver.c
 */
#ifndef GRAPHDRIVER_V1_H
#define GRAPHDRIVER_V1_H

#include <stdint.h>

#define GD_IMPORT(name) \
	__attribute__((import_module("graphdriver_v1"), import_name(#name))) extern

/* GD_EXPORT defines the export driver_<name>. */
#define GD_EXPORT(name) \
	__attribute__((export_name("driver_" #name))) int32_t driver_##name(void)

/* Codes. */
enum {
	GD_OK = 0,
	GD_NOT_FOUND = -1,
	GD_EXISTS = -2,
	GD_BUSY = -3,
	GD_NOT_SUPPORTED = -4,
	GD_USE_NAIVE = -5,
	GD_PREREQUISITES = -6,
	GD_INCOMPATIBLE_FS = -7,
	GD_DENIED = -8,
	GD_LIMIT = -9,
	GD_NO_SPACE = -10,
	GD_CORRUPT = -11,
	GD_CANCELED = -12,
	GD_INVALID = -13,
	GD_BAD_ORDER = -14,
	GD_IO = -15,
};

/* Methods: the bits of GD_FIELD_METHODS. */
enum {
	GD_M_DESCRIBE, GD_M_SETUP, GD_M_CONFIGURE, GD_M_CREATE,
	GD_M_CREATE_READ_WRITE, GD_M_REMOVE, GD_M_GET, GD_M_PUT, GD_M_EXISTS,
	GD_M_STATUS, GD_M_GET_METADATA, GD_M_CLEANUP, GD_M_DIFF, GD_M_CHANGES,
	GD_M_APPLY_DIFF, GD_M_DIFF_SIZE, GD_M_DIFF_GETTER, GD_M_READ_FILE,
	GD_M_REPAIR,
};

/* What a ProtoDriver has. */
#define GD_PROTO_METHODS \
	((1u << GD_M_DESCRIBE) | (1u << GD_M_CREATE) | (1u << GD_M_CREATE_READ_WRITE) | \
	 (1u << GD_M_REMOVE) | (1u << GD_M_GET) | (1u << GD_M_PUT) | (1u << GD_M_EXISTS) | \
	 (1u << GD_M_STATUS) | (1u << GD_M_GET_METADATA) | (1u << GD_M_CLEANUP))

/* Record kinds. */
enum {
	GD_REC_FIELD = 0x0001,
	GD_REC_ENTRY = 0x0101,
	GD_REC_ATTR = 0x0102,
	GD_REC_DIR_BEGIN = 0x0103,
	GD_REC_NAME = 0x0104,
	GD_REC_DIR_END = 0x0105,
	GD_REC_ACTION = 0x0201,
	GD_REC_LIST = 0x0202,
	GD_REC_PAIR = 0x0203,
	GD_REC_EMIT = 0x0204,
	GD_REC_CHANGE = 0x0205,
	GD_REC_LIST_PAIR = 0x0206,
};

/* Field tags. */
enum {
	GD_FIELD_ID = 1,
	GD_FIELD_PARENT = 2,
	GD_FIELD_MOUNT_LABEL = 3,
	GD_FIELD_OPTION = 4,
	GD_FIELD_NAME = 5,
	GD_FIELD_CREATED = 6,
	GD_FIELD_ID_MAP = 7,
	GD_FIELD_FACT = 8,
	GD_FIELD_FEATURE = 9,
	GD_FIELD_READ_ONLY = 10,
	GD_FIELD_SIZE = 32,
	GD_FIELD_EXISTS = 33,
	GD_FIELD_SPEC = 34,
	GD_FIELD_PAIR = 35,
	GD_FIELD_BASE = 36,
	GD_FIELD_DRIVER_NAME = 64,
	GD_FIELD_DRIVER_VERSION = 65,
	GD_FIELD_DISK_FORMAT = 66,
	GD_FIELD_CAPABILITIES = 67,
	GD_FIELD_FEATURES = 68,
	GD_FIELD_METHODS = 69,
	GD_FIELD_GRANT = 70,
};

enum {
	GD_ENTRY_FILE = 1, GD_ENTRY_DIR, GD_ENTRY_SYMLINK, GD_ENTRY_HARDLINK,
	GD_ENTRY_CHAR, GD_ENTRY_BLOCK, GD_ENTRY_FIFO, GD_ENTRY_WHITEOUT, GD_ENTRY_OPAQUE,
};
enum { GD_ENTRY_LARGE = 1 };
enum { GD_ACT_APPLY = 1, GD_ACT_SKIP = 2 };
enum { GD_EMIT_FILE = 1, GD_EMIT_WHITEOUT = 2, GD_EMIT_TREE = 3 };
enum { GD_EMIT_OWN_CONTENT = 1, GD_EMIT_LAYER = 2 };
enum { GD_CHANGE_MODIFIED = 0, GD_CHANGE_ADDED = 1, GD_CHANGE_DELETED = 2 };
enum { GD_SPEC_DIR = 1, GD_SPEC_OVERLAY = 2 };
enum { GD_SPEC_WRITABLE = 1, GD_SPEC_USER_ATTRS = 2 };
enum { GD_STACK_USER_ATTRS = 1 };
enum { GD_LOCK_SHARED = 0, GD_LOCK_EXCLUSIVE = 1 };
enum { GD_LOG_DEBUG, GD_LOG_INFO, GD_LOG_WARN, GD_LOG_ERROR };
enum { GD_LIST_ATTRS = 1, GD_LIST_QUIET = 2, GD_LIST_DEEP = 4, GD_LIST_DIR_TIMES = 8 };

#define GD_HOME ((uint64_t)0)
#define GD_MAX_RECORD 65536u

/* Records, fixed parts. Bytes follow, padded to a multiple of eight. */
struct gd_header { uint16_t kind, flags; uint32_t size; };
struct gd_field { struct gd_header h; uint32_t len; uint8_t value[]; };
struct gd_entry {
	struct gd_header h;
	uint64_t index, size;
	int64_t mtime;
	uint32_t mtime_nsec, mode, uid, gid, major, minor;
	uint16_t kind, attrs, path_len, link_len;
	uint8_t bytes[];
};
struct gd_attr { struct gd_header h; uint32_t name_len, value_len; uint8_t bytes[]; };
struct gd_dir_mark { struct gd_header h; uint64_t tag; int32_t code; uint32_t zero; };
struct gd_name {
	struct gd_header h;
	uint64_t ino, size;
	int64_t mtime, ctime;
	uint32_t mtime_nsec, ctime_nsec, mode, uid, gid, nlink;
	uint64_t rdev, attrs;
	uint16_t name_len, zero;
	uint32_t zero2;
	uint8_t bytes[];
};
struct gd_action {
	struct gd_header h;
	uint16_t act, path_len;
	uint32_t count;
	uint64_t first, base;
	uint8_t path[];
};
struct gd_list {
	struct gd_header h;
	uint64_t tag, base;
	uint16_t path_len, zero;
	uint32_t zero2;
	uint8_t path[];
};
struct gd_list_pair {
	struct gd_header h;
	uint64_t tag, old_base, new_base;
	int64_t created;
	uint32_t created_nsec;
	uint16_t created_known, path_len;
	uint8_t path[];
};
struct gd_pair {
	struct gd_header h;
	uint64_t base_a, base_b;
	uint16_t a_len, b_len;
	uint32_t zero;
	uint8_t bytes[];
};
struct gd_emit {
	struct gd_header h;
	uint64_t base;
	uint16_t kind, path_len, name_len, zero;
	uint8_t bytes[];
};
struct gd_change {
	struct gd_header h;
	uint16_t kind, path_len;
	uint32_t zero;
	uint8_t path[];
};

_Static_assert(sizeof(struct gd_field) == 12, "RecField");
_Static_assert(sizeof(struct gd_entry) == 64, "RecEntry");
_Static_assert(sizeof(struct gd_attr) == 16, "RecAttr");
_Static_assert(sizeof(struct gd_dir_mark) == 24, "RecDirBegin");
_Static_assert(sizeof(struct gd_name) == 88, "RecName");
_Static_assert(sizeof(struct gd_action) == 32, "RecAction");
_Static_assert(sizeof(struct gd_list) == 32, "RecList");
_Static_assert(sizeof(struct gd_pair) == 32, "RecPair");
_Static_assert(sizeof(struct gd_emit) == 24, "RecEmit");
_Static_assert(sizeof(struct gd_change) == 16, "RecChange");

/* Imports. */
GD_IMPORT(call_args) int32_t gd_call_args(void *ptr, uint32_t cap);
GD_IMPORT(result) int32_t gd_result(const void *ptr, uint32_t len);
GD_IMPORT(fail) int32_t gd_fail(int32_t code, const void *subject_ptr, uint32_t subject_len, const void *text_ptr, uint32_t text_len);
GD_IMPORT(log) int32_t gd_log(uint32_t level, const void *ptr, uint32_t len);
GD_IMPORT(lock) int32_t gd_lock(const void *ptr, uint32_t len, uint32_t mode);
GD_IMPORT(ext) int32_t gd_ext(uint32_t op, const void *ptr, uint32_t len);
GD_IMPORT(base_open) int64_t gd_base_open(const void *ptr, uint32_t len);
GD_IMPORT(base_stack) int64_t gd_base_stack(const uint64_t *bases, uint32_t len, uint32_t flags);
GD_IMPORT(make_dir) int32_t gd_make_dir(uint64_t base, const void *ptr, uint32_t len, uint32_t mode);
GD_IMPORT(rename) int32_t gd_rename(uint64_t base, const void *from_ptr, uint32_t from_len, const void *to_ptr, uint32_t to_len);
GD_IMPORT(chmod) int32_t gd_chmod(uint64_t base, const void *ptr, uint32_t len, uint32_t mode);
GD_IMPORT(lchown) int32_t gd_lchown(uint64_t base, const void *ptr, uint32_t len, uint32_t uid, uint32_t gid);
GD_IMPORT(lutimes) int32_t gd_lutimes(uint64_t base, const void *ptr, uint32_t len, int64_t sec, uint32_t nsec);
GD_IMPORT(mknod) int32_t gd_mknod(uint64_t base, const void *ptr, uint32_t len, uint32_t mode, uint32_t major, uint32_t minor);
GD_IMPORT(link) int32_t gd_link(uint64_t base, const void *from_ptr, uint32_t from_len, const void *to_ptr, uint32_t to_len);
GD_IMPORT(xattr_get) int32_t gd_xattr_get(uint64_t base, const void *ptr, uint32_t len, const void *name_ptr, uint32_t name_len, void *buf_ptr, uint32_t cap);
GD_IMPORT(xattr_set) int32_t gd_xattr_set(uint64_t base, const void *ptr, uint32_t len, const void *name_ptr, uint32_t name_len, const void *value_ptr, uint32_t value_len);
GD_IMPORT(xattr_list) int32_t gd_xattr_list(uint64_t base, const void *ptr, uint32_t len, void *buf_ptr, uint32_t cap);
GD_IMPORT(xattr_remove) int32_t gd_xattr_remove(uint64_t base, const void *ptr, uint32_t len, const void *name_ptr, uint32_t name_len);
GD_IMPORT(readdir_plus) int32_t gd_readdir_plus(const void *req_ptr, uint32_t req_len, void *buf_ptr, uint32_t cap);
GD_IMPORT(files_equal) int32_t gd_files_equal(const void *req_ptr, uint32_t req_len, void *out_ptr, uint32_t cap);
GD_IMPORT(tree_copy) int32_t gd_tree_copy(uint64_t src_base, const void *src_ptr, uint32_t src_len, uint64_t dst_base, const void *dst_ptr, uint32_t dst_len);
GD_IMPORT(tree_remove) int32_t gd_tree_remove(uint64_t base, const void *ptr, uint32_t len);
GD_IMPORT(tree_usage) int64_t gd_tree_usage(uint64_t base, const void *ptr, uint32_t len);
GD_IMPORT(entries_next) int32_t gd_entries_next(void *ptr, uint32_t cap);
GD_IMPORT(entry_attr) int32_t gd_entry_attr(uint64_t index, uint32_t n, void *ptr, uint32_t cap);
GD_IMPORT(entry_read) int32_t gd_entry_read(uint64_t index, void *ptr, uint32_t cap);
GD_IMPORT(actions) int32_t gd_actions(const void *ptr, uint32_t len);
GD_IMPORT(stream_read) int32_t gd_stream_read(void *ptr, uint32_t cap);
GD_IMPORT(diff_emit) int32_t gd_diff_emit(const void *ptr, uint32_t len);
GD_IMPORT(entry_write) int32_t gd_entry_write(const void *ptr, uint32_t len);
GD_IMPORT(stream_write) int32_t gd_stream_write(const void *ptr, uint32_t len);
GD_IMPORT(changes_emit) int32_t gd_changes_emit(const void *ptr, uint32_t len);

/*
 * gd_next returns the record at *at of a buffer of n bytes and moves *at past
 * it, or 0 at the end and for bytes that are no record.
 */
static inline const struct gd_header *gd_next(const void *buf, uint32_t n, uint32_t *at)
{
	const struct gd_header *h = (const struct gd_header *)((const uint8_t *)buf + *at);

	if (*at > n || n - *at < sizeof *h || h->size < sizeof *h || h->size % 8 || h->size > n - *at)
		return 0;
	*at += h->size;
	return h;
}

/*
 * gd_put appends a field to a buffer of fields that holds n bytes and returns
 * how many it holds then. The buffer must be large enough and 8-aligned.
 */
static inline uint32_t gd_put(void *buf, uint32_t n, uint16_t tag, const void *value, uint32_t len)
{
	struct gd_field *f = (struct gd_field *)((uint8_t *)buf + n);
	uint32_t size = (12 + len + 7) & ~7u, i;

	f->h.kind = GD_REC_FIELD;
	f->h.flags = tag;
	f->h.size = size;
	f->len = len;
	for (i = 0; i < len; i++)
		f->value[i] = ((const uint8_t *)value)[i];
	for (; 12 + i < size; i++)
		f->value[i] = 0;
	return n + size;
}

#endif
