import { defineStore } from 'pinia'
import { ref } from 'vue'

/** Whether the device has a network at all; the room's own connection is another matter. */
export const useNetwork = defineStore('network', () => {
  const online = ref(true)

  function begin(): void {
    uni.getNetworkType({
      success: (answer) => (online.value = answer.networkType !== 'none'),
    })
    uni.onNetworkStatusChange((change) => (online.value = change.isConnected))
  }

  return { online, begin }
})
