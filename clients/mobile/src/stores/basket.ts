import { defineStore } from 'pinia'
import { computed, ref, shallowRef } from 'vue'
import type { ClinicItem } from '@/api/clinic'
import { quantityOf, totalOf, withItem, type Line } from '@/logic/clinic'

const KEY = 'zj-clinic-basket'

interface Kept {
  lines: Line[]
  patient: string
  purpose: string
}

function read(): Kept {
  const kept = uni.getStorageSync(KEY) as Partial<Kept> | ''
  return {
    lines: (kept && kept.lines) || [],
    patient: (kept && kept.patient) || '',
    purpose: (kept && kept.purpose) || '',
  }
}

/** What was chosen at the convenience clinic and not yet submitted; it outlives a reload. */
export const useBasket = defineStore('basket', () => {
  const before = read()
  const lines = shallowRef<Line[]>(before.lines)
  const patient = ref(before.patient)
  const purpose = ref(before.purpose)
  const total = computed(() => totalOf(lines.value))
  const count = computed(() => lines.value.reduce((sum, line) => sum + line.quantity, 0))

  function keep(): void {
    uni.setStorageSync(KEY, {
      lines: lines.value,
      patient: patient.value,
      purpose: purpose.value,
    })
  }

  function put(item: ClinicItem, quantity: number): void {
    lines.value = withItem(lines.value, item, quantity)
    keep()
  }

  function setTime(id: string, starts_at: string | null): void {
    lines.value = lines.value.map((line) => (line.item.id === id ? { ...line, starts_at } : line))
    keep()
  }

  /** Takes out what was submitted. */
  function drop(gone: readonly Line[]): void {
    lines.value = lines.value.filter((line) => !gone.some((one) => one.item.id === line.item.id))
    if (!lines.value.length) purpose.value = ''
    keep()
  }

  const quantity = (id: string): number => quantityOf(lines.value, id)

  return { lines, patient, purpose, total, count, keep, put, setTime, drop, quantity }
})
