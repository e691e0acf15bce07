// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a process maps of a session: VOS_MAP_PAGES of address space at once,
 * so that extents which come later find their place; VOS_MAP_* in the ABI.
 * The header, the fd map and what the service writes it may only read.
 */
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/mman.h>

#include "session.h"

/* May the process write this page of the mapping? */
static bool vos_map_writable(pgoff_t page)
{
	if (page < VOS_MAP_EXTENT(0))
		return false;
	/* C, arena; not S. */
	return (page - VOS_MAP_EXTENT(0)) % VOS_EXTENT_PAGES != 1;
}

static struct page *vos_map_page(struct vos_session *session, pgoff_t page)
{
	struct vos_session_extent *extent;

	if (page < VOS_MAP_EXTENT(0))
		return session->base.pages[page];
	page -= VOS_MAP_EXTENT(0);
	if (page / VOS_EXTENT_PAGES >= VOS_MAX_EXTENTS)
		return NULL;
	extent = vos_session_extent(session, page / VOS_EXTENT_PAGES);
	return extent ? extent->memory.pages[page % VOS_EXTENT_PAGES] : NULL;
}

static vm_fault_t vos_session_fault(struct vm_fault *vmf)
{
	struct page *page = vos_map_page(vmf->vma->vm_file->private_data, vmf->pgoff);

	if (!page)
		return VM_FAULT_SIGBUS;
	get_page(page);
	vmf->page = page;
	return 0;
}

static const struct vm_operations_struct vos_session_vm_ops = {
	.fault = vos_session_fault,
};

/*
 * Only vos_session_map_piece() and the reservation get here: the file is no
 * descriptor. What a piece may not do now, it never may: mprotect() can't
 * make a page writable that only the kernel or the service writes. VM_IO
 * keeps MADV_DOFORK and long-term pins away.
 */
static int vos_session_mmap(struct file *file, struct vm_area_struct *vma)
{
	vm_flags_t never = VM_EXEC | VM_MAYEXEC;
	pgoff_t page;

	if (vma->vm_pgoff + vma_pages(vma) > VOS_MAP_PAGES || !(vma->vm_flags & VM_SHARED))
		return -EINVAL;
	if (!(vma->vm_flags & VM_READ))
		never |= VM_MAYREAD;
	if (!(vma->vm_flags & VM_WRITE))
		never |= VM_MAYWRITE;
	for (page = vma->vm_pgoff; page < vma->vm_pgoff + vma_pages(vma); page++) {
		if ((vma->vm_flags & VM_WRITE) && !vos_map_writable(page))
			return -EACCES;
	}
	vm_flags_mod(vma, VM_IO | VM_DONTCOPY | VM_DONTEXPAND | VM_DONTDUMP, never);
	vma->vm_ops = &vos_session_vm_ops;
	return 0;
}

/* The process unmapped all of it, or exited. */
static int vos_session_file_release(struct inode *inode, struct file *file)
{
	struct vos_session *session = file->private_data;

	vos_session_kill(session);
	vos_session_put(session);
	return 0;
}

static const struct file_operations vos_session_fops = {
	.mmap = vos_session_mmap,
	.release = vos_session_file_release,
	.llseek = noop_llseek,
};

static int vos_session_map_piece(struct file *file, unsigned long base, u32 first, u32 pages,
				 unsigned long prot)
{
	unsigned long offset = (unsigned long)first << PAGE_SHIFT;
	unsigned long address = vm_mmap(file, base + offset, (unsigned long)pages << PAGE_SHIFT,
					prot, MAP_SHARED | MAP_FIXED, offset);

	return IS_ERR_VALUE(address) ? (int)address : 0;
}

int vos_session_map_extent(struct file *file, unsigned long base, u32 index)
{
	u32 first = VOS_MAP_EXTENT(index);
	int err;

	err = vos_session_map_piece(file, base, first, 1, PROT_READ | PROT_WRITE);
	if (!err)
		err = vos_session_map_piece(file, base, first + 1, 1, PROT_READ);
	if (!err)
		err = vos_session_map_piece(file, base, first + 2, VOS_EXTENT_ARENA_PAGES,
					    PROT_READ | PROT_WRITE);
	return err;
}

static unsigned long vos_session_map_file(struct file *file)
{
	unsigned long base = vm_mmap(file, 0, (unsigned long)VOS_MAP_PAGES << PAGE_SHIFT,
				     PROT_NONE, MAP_SHARED, 0);
	int err;

	if (IS_ERR_VALUE(base))
		return base;
	err = vos_session_map_piece(file, base, VOS_MAP_HEADER, VOS_BASE_PAGES, PROT_READ);
	if (!err)
		err = vos_session_map_extent(file, base, 0);
	if (!err)
		return base;
	vos_session_unmap(base);
	return err;
}

unsigned long vos_session_map(struct vos_session *session)
{
	unsigned long base;
	struct file *file;

	file = anon_inode_getfile("[virtuos]", &vos_session_fops, session, O_RDWR);
	if (IS_ERR(file))
		return PTR_ERR(file);
	kref_get(&session->ref);
	base = vos_session_map_file(file);
	/* The mapping holds the file now, nothing else does. */
	fput(file);
	return base;
}

void vos_session_unmap(unsigned long base)
{
	vm_munmap(base, (unsigned long)VOS_MAP_PAGES << PAGE_SHIFT);
}

struct file *vos_session_reserved(struct vos_session *session, u32 index)
{
	unsigned long first = VOS_MAP_EXTENT(index);
	unsigned long start = session->address + (first << PAGE_SHIFT);
	unsigned long end = session->address + ((first + VOS_EXTENT_PAGES) << PAGE_SHIFT);
	struct vm_area_struct *vma;
	struct file *file = NULL;

	if (mmap_read_lock_killable(current->mm))
		return NULL;
	vma = vma_lookup(current->mm, start);
	if (vma && vma->vm_ops == &vos_session_vm_ops && vma->vm_end >= end &&
	    vma->vm_file->private_data == session)
		file = get_file(vma->vm_file);
	mmap_read_unlock(current->mm);
	return file;
}
