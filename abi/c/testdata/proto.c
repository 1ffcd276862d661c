/*
 * proto.c - the smallest complete driver in C: a directory per layer, made
 * with tree_copy. No library, no allocation.
 */
#include "../graphdriver_v1.h"

static uint64_t args[GD_MAX_RECORD / 8], out[64];

struct bytes {
	const void *p;
	uint32_t n;
};

static int32_t arg(uint16_t tag, struct bytes *b)
{
	int32_t n = gd_call_args(args, sizeof args);
	const struct gd_header *h;
	uint32_t at = 0;

	b->p = 0;
	b->n = 0;
	if (n < 0)
		return n;
	while ((h = gd_next(args, (uint32_t)n, &at))) {
		const struct gd_field *f = (const struct gd_field *)h;

		if (h->kind == GD_REC_FIELD && h->flags == tag) {
			b->p = f->value;
			b->n = f->len;
		}
	}
	return GD_OK;
}

static int32_t known(struct bytes *id)
{
	int32_t ret = arg(GD_FIELD_ID, id);
	int64_t base;

	if (ret)
		return ret;
	base = gd_base_open(id->p, id->n);
	return base < 0 ? (int32_t)base : GD_OK;
}

GD_EXPORT(describe)
{
	uint64_t methods = GD_PROTO_METHODS;
	uint32_t format = 1, n = 0;

	n = gd_put(out, n, GD_FIELD_DRIVER_NAME, "proto", 5);
	n = gd_put(out, n, GD_FIELD_DRIVER_VERSION, "1.0.0", 5);
	n = gd_put(out, n, GD_FIELD_DISK_FORMAT, &format, sizeof format);
	n = gd_put(out, n, GD_FIELD_METHODS, &methods, sizeof methods);
	return gd_result(out, n);
}

GD_EXPORT(create)
{
	struct bytes id, parent;
	int32_t ret = known(&id);

	if (ret != GD_NOT_FOUND)
		return ret ? ret : GD_EXISTS;
	/* Both point into args, which holds the same bytes after each pull. */
	if ((ret = arg(GD_FIELD_PARENT, &parent)))
		return ret;
	if (parent.n == 0)
		return gd_make_dir(GD_HOME, id.p, id.n, 0755);
	ret = gd_tree_copy(GD_HOME, parent.p, parent.n, GD_HOME, id.p, id.n);
	if (ret)
		gd_tree_remove(GD_HOME, id.p, id.n);
	return ret;
}

GD_EXPORT(create_read_write) { return driver_create(); }

GD_EXPORT(remove)
{
	struct bytes id;
	int32_t ret = arg(GD_FIELD_ID, &id);

	if (!ret)
		ret = gd_tree_remove(GD_HOME, id.p, id.n);
	return ret == GD_NOT_FOUND ? GD_OK : ret;
}

GD_EXPORT(get)
{
	uint8_t spec[8 + 255] = {GD_SPEC_DIR};
	struct bytes id;
	int32_t ret = known(&id);
	uint32_t i;

	if (ret || id.n > sizeof spec - 8)
		return ret ? ret : GD_INVALID;
	for (i = 0; i < id.n; i++)
		spec[8 + i] = ((const uint8_t *)id.p)[i];
	return gd_result(out, gd_put(out, 0, GD_FIELD_SPEC, spec, 8 + id.n));
}

GD_EXPORT(put) { return GD_OK; }

GD_EXPORT(exists)
{
	struct bytes id;
	int32_t ret = known(&id);
	uint32_t yes = ret == GD_OK;

	if (ret && ret != GD_NOT_FOUND)
		return ret;
	return gd_result(out, gd_put(out, 0, GD_FIELD_EXISTS, &yes, sizeof yes));
}

GD_EXPORT(status) { return gd_result(out, 0); }

GD_EXPORT(get_metadata)
{
	struct bytes id;
	int32_t ret = known(&id);

	return ret ? ret : gd_result(out, 0);
}

GD_EXPORT(cleanup) { return GD_OK; }
