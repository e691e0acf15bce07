/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Keys of the handshake, read strictly: what the other side writes into its
 * xenstore directory is as little to be trusted as shared memory.
 */
#ifndef VIRTUOS_XENBUS_KEY_H
#define VIRTUOS_XENBUS_KEY_H

#include <linux/ctype.h>
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <xen/xenbus.h>

#include "../abi/virtuos.h"

/* Times a transaction is tried that others' writes interfere with. */
#define VOS_XENBUS_TRIES	16

/* Longest explanation that is taken from the other side, with its end. */
#define VOS_EXPLANATION_BYTES	96u

/**
 * vos_xenbus_read_u32() - a decimal number and nothing else
 * @directory: of the side that wrote it
 * @key: below it
 * @value: set on success
 *
 * Return: 0, -ENOENT if there is none, -EPROTO if it is no number or does not
 * fit (the scanf of xenbus would take its low bits), -ENOMEM.
 */
static inline int vos_xenbus_read_u32(const char *directory, const char *key, u32 *value)
{
	char *text = xenbus_read(XBT_NIL, directory, key, NULL);
	int err;

	if (IS_ERR(text))
		return PTR_ERR(text) == -ENOMEM ? -ENOMEM : -ENOENT;
	err = isdigit(text[0]) ? kstrtou32(text, 10, value) : -EINVAL;
	kfree(text);
	return err ? -EPROTO : 0;
}

/**
 * vos_xenbus_write() - a key of ours, unless our directory is gone
 * @device: ours
 * @key: below its directory
 * @text: its value
 *
 * A plain write would make a directory anew that the toolstack has just
 * removed, and the device would never go.
 *
 * Return: 0 or -errno; -ENOENT: the directory is gone.
 */
static inline int vos_xenbus_write(struct xenbus_device *device, const char *key,
				   const char *text)
{
	struct xenbus_transaction transaction;
	int tries, err;

	for (tries = 0; tries < VOS_XENBUS_TRIES; tries++) {
		err = xenbus_transaction_start(&transaction);
		if (err)
			return err;
		err = -ENOENT;
		if (xenbus_exists(transaction, device->nodename, "state"))
			err = xenbus_write(transaction, device->nodename, key, text);
		if (err) {
			xenbus_transaction_end(transaction, 1);
			return err;
		}
		err = xenbus_transaction_end(transaction, 0);
		if (err != -EAGAIN)
			return err;
	}
	return -EAGAIN;
}

static inline int vos_xenbus_write_u32(struct xenbus_device *device, const char *key, u32 value)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", value);
	return vos_xenbus_write(device, key, text);
}

/**
 * vos_xenbus_read_explanation() - why the other side refused, fit to be logged
 * @directory: of that side
 * @text: set to the printable beginning of it, or to "it does not say why"
 */
static inline void vos_xenbus_read_explanation(const char *directory,
					       char text[VOS_EXPLANATION_BYTES])
{
	char *said = xenbus_read(XBT_NIL, directory, VOS_KEY_ERROR, NULL);
	char *p;

	strscpy(text, IS_ERR(said) || !*said ? "it does not say why" : said,
		VOS_EXPLANATION_BYTES);
	if (!IS_ERR(said))
		kfree(said);
	for (p = text; *p; p++)
		if (!isascii(*p) || !isprint(*p))
			*p = '?';
}

#endif /* VIRTUOS_XENBUS_KEY_H */
