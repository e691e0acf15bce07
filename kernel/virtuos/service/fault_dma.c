// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device that is aimed at memory of the primary.
 *
 * The primary shows this domain a page; the domain maps it, notes its machine
 * address, and gives it back. From then on neither this domain nor its device
 * has any business there. Then one transfer of the device is made with that
 * address in place of one of its own: a network card is told to send a frame
 * from there, a disk to write there four bytes of what it reads. What comes of
 * it is between the device and the IOMMU.
 *
 * The driver of the device knows nothing: it asks for the bus address of a
 * page, as always, and is told the wrong one, once. The transfers are small,
 * because the hypervisor turns off a device that faults too often, and an
 * emulated one faults at every word.
 */
#define pr_fmt(fmt) "virtuos: fault: " fmt

#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/delay.h>
#include <linux/dma-map-ops.h>
#include <linux/etherdevice.h>
#include <linux/mm.h>
#include <linux/pci.h>
#include <linux/rtnetlink.h>
#include <linux/skbuff.h>
#include <xen/grant_table.h>

#include "fault.h"

/* Of a sector, what is to go to the primary's memory. */
#define VOS_WILD_BYTES		4u
/* The shortest frame, and the room before it that the driver may want, in the page. */
#define VOS_WILD_FRAME		60u
#define VOS_WILD_HEADROOM	256u
/* How long a device may take for its transfer, in steps of 20 ms. */
#define VOS_WILD_PATIENCE	100

static struct {
	const struct dma_map_ops *honest;
	/* A copy of them with four functions of ours: the rest differs from machine to machine. */
	struct dma_map_ops ops;
	const struct page *page;	/* whose bus address is asked for */
	dma_addr_t address;		/* what is told instead */
	bool told;
} wild;

static bool vos_wild_meant(const struct page *page)
{
	return page == READ_ONCE(wild.page) && !xchg(&wild.told, true);
}

static dma_addr_t vos_wild_map_page(struct device *dev, struct page *page, unsigned long offset,
				    size_t size, enum dma_data_direction dir, unsigned long attrs)
{
	if (vos_wild_meant(page))
		return wild.address + offset;
	return wild.honest->map_page(dev, page, offset, size, dir, attrs);
}

static void vos_wild_unmap_page(struct device *dev, dma_addr_t address, size_t size,
				enum dma_data_direction dir, unsigned long attrs)
{
	if ((address & PAGE_MASK) != wild.address)
		wild.honest->unmap_page(dev, address, size, dir, attrs);
}

static int vos_wild_map_sg(struct device *dev, struct scatterlist *list, int entries,
			   enum dma_data_direction dir, unsigned long attrs)
{
	int mapped = wild.honest->map_sg(dev, list, entries, dir, attrs);
	struct scatterlist *sg;
	int i;

	for_each_sg(list, sg, mapped, i) {
		if (!vos_wild_meant(sg_page(sg)))
			continue;
		wild.honest->unmap_page(dev, sg_dma_address(sg), sg_dma_len(sg), dir, attrs);
		sg_dma_address(sg) = wild.address;
	}
	return mapped;
}

static void vos_wild_unmap_sg(struct device *dev, struct scatterlist *list, int entries,
			      enum dma_data_direction dir, unsigned long attrs)
{
	struct scatterlist *sg;
	int i;

	for_each_sg(list, sg, entries, i)
		vos_wild_unmap_page(dev, sg_dma_address(sg), sg_dma_len(sg), dir, attrs);
}

/* The machine address of a page that the primary grants; no longer mapped when this returns. */
static int vos_wild_learn(struct vos_service *s, u32 ref, dma_addr_t *address)
{
	struct vos_mapping mapping;
	int err = vos_mapping_map(&mapping, s->primary, &ref, 1, 0);

	if (err)
		return err;
	*address = mapping.map[0].dev_bus_addr & PAGE_MASK;
	vos_mapping_unmap(&mapping);
	return 0;
}

/* The one that this domain serves with: the first with a driver. */
static struct pci_dev *vos_wild_device(u8 class)
{
	struct pci_dev *device = NULL;

	for_each_pci_dev(device)
		if (device->driver && device->class >> 16 == class)
			return device;
	return NULL;
}

#ifdef CONFIG_VIRTUOS_SERVICE_NETWORK
#define VOS_WILD_CLASS	PCI_BASE_CLASS_NETWORK

static struct net_device *vos_wild_interface(const struct device *device)
{
	struct net_device *interface;

	for_each_netdev(&init_net, interface) {
		const struct device *parent;

		for (parent = interface->dev.parent; parent; parent = parent->parent)
			if (parent == device)
				return interface;
	}
	return NULL;
}

/* Sends a frame, of no protocol, that is in the page. */
static int vos_wild_transfer(struct device *device, struct page *page)
{
	struct net_device *interface;
	struct sk_buff *skb;
	int err = -ENODEV;

	rtnl_lock();
	interface = vos_wild_interface(device);
	if (!interface || !netif_running(interface))
		goto out;
	err = -ENOMEM;
	skb = build_skb(page_address(page), PAGE_SIZE);
	if (!skb)
		goto out;
	get_page(page);
	skb_reserve(skb, VOS_WILD_HEADROOM);
	skb->dev = interface;
	eth_broadcast_addr(skb_put_zero(skb, VOS_WILD_FRAME));
	skb_reset_mac_header(skb);
	ether_addr_copy(eth_hdr(skb)->h_source, interface->dev_addr);
	eth_hdr(skb)->h_proto = htons(ETH_P_802_EX1);
	skb->protocol = htons(ETH_P_802_EX1);
	err = net_xmit_eval(dev_queue_xmit(skb)) ? -EIO : 0;
out:
	rtnl_unlock();
	return err;
}
#else
#define VOS_WILD_CLASS	PCI_BASE_CLASS_STORAGE

/* Reads the first sector, whose end goes to the page. */
static int vos_wild_transfer(struct device *device, struct page *page)
{
	static const char *const disks[] = { "/dev/nvme0n1", "/dev/vda" };
	struct bio_vec vec[2];
	struct page *begin;
	struct file *disk;
	struct bio bio;
	int i, err;

	for (i = 0; i < ARRAY_SIZE(disks); i++) {
		disk = bdev_file_open_by_path(disks[i], BLK_OPEN_READ, NULL, NULL);
		if (!IS_ERR(disk))
			break;
	}
	if (IS_ERR(disk))
		return PTR_ERR(disk);
	begin = alloc_page(GFP_KERNEL);
	if (begin) {
		bio_init(&bio, file_bdev(disk), vec, ARRAY_SIZE(vec), REQ_OP_READ);
		/* No gap: up to the end of one page, from the begin of the next. */
		__bio_add_page(&bio, begin, SECTOR_SIZE - VOS_WILD_BYTES,
			       PAGE_SIZE - (SECTOR_SIZE - VOS_WILD_BYTES));
		__bio_add_page(&bio, page, VOS_WILD_BYTES, 0);
		err = submit_bio_wait(&bio);
		/* The disk may take a refusal for an error; that is an answer. */
		pr_notice("the disk says %d\n", err);
		bio_uninit(&bio);
		__free_page(begin);
		err = 0;
	} else {
		err = -ENOMEM;
	}
	bdev_fput(disk);
	return err;
}
#endif

/**
 * vos_fault_dma() - one transfer of the device to or from the primary's memory
 * @s: the connection
 * @ref: of a page that the primary has granted to this domain
 *
 * Sleeps. One at a time. Says in the log what came of it.
 */
void vos_fault_dma(struct vos_service *s, u32 ref)
{
	struct pci_dev *device = vos_wild_device(VOS_WILD_CLASS);
	struct page *page = alloc_page(GFP_KERNEL | __GFP_ZERO);
	int err = -ENODEV;
	int i;

	if (!device || !page)
		goto out;
	err = vos_wild_learn(s, ref, &wild.address);
	if (err)
		goto out;
	wild.honest = get_dma_ops(&device->dev);
	err = -EOPNOTSUPP;
	if (!wild.honest)
		goto out;
	wild.ops = *wild.honest;
	wild.ops.map_page = vos_wild_map_page;
	wild.ops.unmap_page = vos_wild_unmap_page;
	wild.ops.map_sg = vos_wild_map_sg;
	wild.ops.unmap_sg = vos_wild_unmap_sg;
	wild.told = false;
	WRITE_ONCE(wild.page, page);
	set_dma_ops(&device->dev, &wild.ops);
	err = vos_wild_transfer(&device->dev, page);
	/* Until the driver holds the page no more, and so has taken back the address. */
	for (i = 0; i < VOS_WILD_PATIENCE && page_ref_count(page) > 1; i++)
		msleep(20);
	if (!err && !READ_ONCE(wild.told))
		err = -EIO;
	if (page_ref_count(page) > 1) {
		/* Given up, with the page: the address may still come back. */
		err = -ETIMEDOUT;
		page = NULL;
	} else {
		set_dma_ops(&device->dev, wild.honest);
		WRITE_ONCE(wild.page, NULL);
	}
out:
	if (page)
		__free_page(page);
	if (device && !err)
		pr_notice("%s was aimed at %pad of the primary\n", pci_name(device), &wild.address);
	else
		pr_err("no device was aimed at the primary: %d\n", err);
	pci_dev_put(device);
}
