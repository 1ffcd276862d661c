/*
 * apply.c - a driver in C that takes layers by decisions: every entry goes
 * where it says. What it costs beside the same work without any guest is what
 * the border costs.
 */
#include "../../abi/c/graphdriver_v1.h"

static uint64_t args[GD_MAX_RECORD / 8], entries[GD_MAX_RECORD / 8], out[64];

static int64_t open_layer(const uint8_t **id, uint32_t *len)
{
	int32_t n = gd_call_args(args, sizeof args);
	const struct gd_header *h;
	uint32_t at = 0;

	*len = 0;
	if (n < 0)
		return n;
	while ((h = gd_next(args, (uint32_t)n, &at))) {
		const struct gd_field *f = (const struct gd_field *)h;

		if (h->kind == GD_REC_FIELD && h->flags == GD_FIELD_ID) {
			*id = f->value;
			*len = f->len;
		}
	}
	return gd_base_open(*id, *len);
}

GD_EXPORT(describe)
{
	uint64_t methods = GD_PROTO_METHODS | (1u << GD_M_APPLY_DIFF);
	uint32_t format = 1, n = 0;

	n = gd_put(out, n, GD_FIELD_DRIVER_NAME, "apply", 5);
	n = gd_put(out, n, GD_FIELD_DRIVER_VERSION, "1.0.0", 5);
	n = gd_put(out, n, GD_FIELD_DISK_FORMAT, &format, sizeof format);
	n = gd_put(out, n, GD_FIELD_METHODS, &methods, sizeof methods);
	return gd_result(out, n);
}

GD_EXPORT(create)
{
	const uint8_t *id = 0;
	uint32_t len;
	int64_t base = open_layer(&id, &len);

	if (base != GD_NOT_FOUND)
		return base < 0 ? (int32_t)base : GD_EXISTS;
	return gd_make_dir(GD_HOME, id, len, 0755);
}

GD_EXPORT(create_read_write) { return driver_create(); }

/* decide sends one action for a run of entries. */
static int32_t decide(uint16_t act, uint64_t first, uint32_t count, uint64_t base)
{
	struct gd_action a = {
		.h = {.kind = GD_REC_ACTION, .size = sizeof a},
		.act = act, .count = count, .first = first, .base = base,
	};

	return count ? gd_actions(&a, sizeof a) : GD_OK;
}

GD_EXPORT(apply_diff)
{
	const uint8_t *id = 0;
	const struct gd_header *h;
	uint32_t len;
	int64_t base = open_layer(&id, &len);
	int32_t n, ret;

	if (base < 0)
		return (int32_t)base;
	/* No record exceeds the buffer, so n never does. */
	while ((n = gd_entries_next(entries, sizeof entries)) > 0) {
		uint32_t at = 0, count = 0;
		uint64_t first = 0;

		while ((h = gd_next(entries, (uint32_t)n, &at))) {
			const struct gd_entry *e = (const struct gd_entry *)h;

			if (h->kind != GD_REC_ENTRY)
				continue;
			if (e->kind < GD_ENTRY_FILE || e->kind > GD_ENTRY_OPAQUE)
				return GD_NOT_SUPPORTED;
			if (count++ == 0)
				first = e->index;
		}
		if ((ret = decide(GD_ACT_APPLY, first, count, (uint64_t)base)))
			return ret;
	}
	return n;
}

GD_EXPORT(remove)
{
	const uint8_t *id = 0;
	uint32_t len;
	int64_t base = open_layer(&id, &len);

	if (base < 0)
		return base == GD_NOT_FOUND ? GD_OK : (int32_t)base;
	return gd_tree_remove(GD_HOME, id, len);
}

GD_EXPORT(get) { return GD_NOT_SUPPORTED; }
GD_EXPORT(put) { return GD_OK; }
GD_EXPORT(exists)
{
	const uint8_t *id = 0;
	uint32_t len, yes = open_layer(&id, &len) >= 0;

	return gd_result(out, gd_put(out, 0, GD_FIELD_EXISTS, &yes, sizeof yes));
}
GD_EXPORT(status) { return gd_result(out, 0); }
GD_EXPORT(get_metadata) { return gd_result(out, 0); }
GD_EXPORT(cleanup) { return GD_OK; }
