import { onLoad, onPullDownRefresh, onReachBottom } from '@dcloudio/uni-app'
import { ref, shallowRef, type Ref, type ShallowRef } from 'vue'
import { catalogue } from '@/api'
import type { Department, DoctorCard, Page } from '@/api/types'
import { keepInAddress, param } from '@/platform/nav'
import { zh } from '@/strings'
import { usePages } from './use-pages'

type Chosen = Record<string, string>

/** One thing to choose by; without `any` something is always chosen. */
export interface Filter {
  key: string
  title: string
  any?: string
  options: { value: string; label: string; note?: string }[]
}

/** A list of clinicians to choose from, and what it is narrowed by; kept in the address. */
export interface ClinicianSearch {
  filters: Ref<Chosen>
  departments: ShallowRef<Department[]>
  list: ReturnType<typeof usePages<DoctorCard>>
  apply: (change: Chosen) => void
  type: (text: string) => void
}

/**
 * The search behind a page that lists clinicians. `first` names the filters with their values when
 * nothing is chosen; `q`, the typed words, is always among them.
 */
export function useClinicianSearch(
  path: string,
  first: Chosen,
  load: (filters: Chosen, cursor: string | null) => Promise<Page<DoctorCard>>,
  opened?: (query: Record<string, string | undefined> | undefined) => void,
): ClinicianSearch {
  const filters = ref<Chosen>({ ...first, q: '' })
  const departments = shallowRef<Department[]>([])
  const list = usePages((cursor) => {
    const now = filters.value
    return load({ ...now, q: (now['q'] ?? '').trim() }, cursor)
  })
  let typing: ReturnType<typeof setTimeout> | null = null

  onLoad((query) => {
    for (const name of Object.keys(filters.value)) {
      filters.value[name] = param(query, name) || (first[name] ?? '')
    }
    opened?.(query)
    void list.reload()
    catalogue
      .departments()
      .then((found) => (departments.value = found))
      .catch(() => undefined)
  })
  onReachBottom(() => void list.loadMore())
  onPullDownRefresh(async () => {
    await list.reload(true)
    uni.stopPullDownRefresh()
  })

  function apply(change: Chosen): void {
    filters.value = { ...filters.value, ...change }
    keepInAddress(path, filters.value)
    void list.reload()
  }

  function type(text: string): void {
    filters.value = { ...filters.value, q: text }
    if (typing) clearTimeout(typing)
    typing = setTimeout(() => apply({}), 350)
  }

  return { filters, departments, list, apply, type }
}

export const optionsOf = (words: Record<string, string>): Filter['options'] =>
  Object.entries(words).map(([value, label]) => ({ value, label }))

export const byDepartment = (search: ClinicianSearch): Filter => ({
  key: 'department',
  title: zh.doctors.department,
  any: zh.doctors.allDepartments,
  options: search.departments.value.map((one) => ({
    value: one.id,
    label: one.name,
    note: one.intro,
  })),
})

export const SORT: Filter = {
  key: 'sort',
  title: zh.doctors.sort,
  options: optionsOf(zh.doctors.sorts),
}
