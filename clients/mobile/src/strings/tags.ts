export const tags = {
  tags: {
    title: '患者标签',
    none: '添加',
    text: '只有您能看到，患者再次咨询时一眼认出。最多 10 个。',
    add: '新标签',
    addHint: '如：造口、糖尿病、独居',
  },
} as const
