"""The words of ComfyUI's Chinese editor: titles, names, descriptions, frequent tips."""

ZH = {
    # titles
    "Classify": "图像分类",
    "Contact sheet": "缩略图拼版",
    "Data set's images": "取出数据集图像",
    "Evaluate classifier": "评估分类器",
    "Evaluate VAE": "评估 VAE",
    "Generate": "生成",
    "Join batches": "合并批次",
    "Join latents": "合并潜变量",
    "Join tables": "合并表格",
    "Latent walk": "潜空间漫步",
    "Load image": "加载图像",
    "Load model": "加载模型",
    "Load pictures": "加载图片文件夹",
    "Math": "数学运算",
    "Mix latents": "混合潜变量",
    "Nearest images": "查找最相似图像",
    "Number": "数值",
    "Pick images": "挑选图像",
    "Plot table": "绘制表格",
    "Procedural art": "程序化艺术",
    "Resize image": "调整图像大小",
    "Sample latent": "采样潜变量",
    "Save animation": "保存动画",
    "Save image": "保存图像",
    "Save model": "保存模型",
    "Save table": "保存表格",
    "Sheets by class": "按类别拼版",
    "Split data set": "拆分数据集",
    "Style transfer": "风格迁移",
    "Text": "文本",
    "Train classifier": "训练分类器",
    "Train GAN": "训练 GAN",
    "Train prior": "训练先验模型",
    "Train VAE": "训练 VAE",
    "VAE decode": "VAE 解码",
    "VAE encode": "VAE 编码",
    "VAE sample": "VAE 采样",
    # inputs and outputs
    "classifier": "分类器",
    "confusion": "混淆矩阵",
    "content": "内容",
    "curves": "训练曲线",
    "dataset": "数据集",
    "fallback": "备用数据集",
    "files": "文件",
    "first": "第一个",
    "gan": "GAN",
    "image": "图像",
    "labels": "标签",
    "latent": "潜变量",
    "model": "模型",
    "number": "数值",
    "progress": "训练进展",
    "report": "评估报告",
    "second": "第二个",
    "style": "风格",
    "table": "表格",
    "test": "测试集",
    "text": "文本",
    "third": "第三个",
    "train": "训练集",
    "vae": "VAE",
    "vae_latent": "VAE 潜变量",
    # widgets
    "amount": "比例",
    "augment": "数据增强",
    "background": "背景",
    "batch": "批大小",
    "beta": "β 权重",
    "caption": "说明文字",
    "channels": "通道数",
    "closed": "闭合",
    "columns": "列数",
    "count": "数量",
    "ease": "缓动",
    "every": "间隔",
    "filter": "滤镜",
    "fit": "适配方式",
    "folder": "文件夹",
    "format": "格式",
    "fps": "帧率",
    "fraction": "测试比例",
    "frames": "帧数",
    "gap": "间距",
    "guidance": "引导强度",
    "height": "高度",
    "held_out": "留出比例",
    "keep_latents": "保持潜空间",
    "kind": "类型",
    "loop": "循环",
    "loss": "损失函数",
    "method": "方法",
    "mirror": "镜像",
    "most": "上限",
    "name": "名称",
    "op": "运算",
    "order": "顺序",
    "path": "路径",
    "ping_pong": "往返播放",
    "precision": "精度",
    "quality": "质量",
    "quantiser": "量化方式",
    "rate": "学习率倍数",
    "scale": "缩放",
    "seed": "种子",
    "sharpen": "锐化方式",
    "size": "尺寸",
    "start": "起点",
    "steps": "步数",
    "strength": "强度",
    "styles": "风格",
    "title": "标题",
    "truncation": "截断",
    "value": "值",
    "width": "宽度",
    # descriptions
    "Put batches of pictures one after the other; the first one's size counts.": (
        "把多个图片批次首尾相接，尺寸以第一个为准。"
    ),
    "Save a contact sheet for each class: its pictures, the surest first.": (
        "为每个类别保存一张拼版，最确定的图片排在最前。"
    ),
    "Tell the likeliest class of each picture, and how likely it is.": (
        "给出每张图片最可能的类别及其概率。"
    ),
    "Take pictures out of a data set, to look at or to work on, with a table of their classes.": (
        "从数据集中取出图片，并附上类别表格。"
    ),
    "Test a classifier on pictures it has not seen.": "用未见过的图片测试分类器。",
    "Draw the pictures that latents stand for.": "绘制潜变量所代表的图片。",
    "Lay a batch of pictures out on one sheet, with a caption under each.": (
        "把一批图片排在一张拼版上，每张下方有说明文字。"
    ),
    "Put two batches of latents one after the other.": "把两批潜变量首尾相接。",
    "Walk from each latent to the next, in even steps.": ("在相邻潜变量之间均匀漫步。"),
    "Read a folder of your pictures as a data set, in the order of their names.": (
        "把图片文件夹读作数据集，按文件名排序。"
    ),
    "Calculate with two numbers; whole numbers stay whole where the result is.": (
        "对两个数进行运算；结果为整数时保持整数。"
    ),
    "Mix two batches of latents, pair by pair; a single one is mixed with each of the others.": (
        "逐对混合两批潜变量；单个潜变量与其余每个混合。"
    ),
    "Find the pictures of a data set that are most like given ones, to see what is a copy.": (
        "查找数据集中与给定图片最相似的图片，以判断是否为复制。"
    ),
    "A number, to be wired to several widgets or into math.": (
        "一个数值，可连接到多个参数或数学运算。"
    ),
    "Take some pictures out of a batch.": "从批次中挑出一些图片。",
    "Draw a table: training curves, bars of scores, or a confusion matrix.": (
        "把表格画成图：训练曲线、得分条形图或混淆矩阵。"
    ),
    "Paint a labelled set of small abstract pictures, each style a class.": (
        "绘制一组带标签的抽象小画，每种风格为一个类别。"
    ),
    "Bring pictures to another size.": "调整图片尺寸。",
    "Draw random latents and the pictures they stand for.": ("随机采样潜变量并绘制对应的图片。"),
    "Save a batch of pictures as one animation.": "把一批图片保存为动画。",
    "Split a data set into pictures to train on and pictures to test with, class by class.": (
        "按类别把数据集拆分为训练图片和测试图片。"
    ),
    "Repaint pictures with the patches of others, from coarse to fine; needs no training.": (
        "由粗到细，用其他图片的图块重绘图片；无需训练。"
    ),
    "A text, to be wired to several widgets.": "一段文本，可连接到多个参数。",
    "Train a convolutional network to tell a dataset's classes apart.": (
        "训练卷积网络来区分数据集的类别。"
    ),
    "Train a generative adversarial network on a dataset, class by class.": (
        "按类别在数据集上训练生成对抗网络。"
    ),
    "Train a variational autoencoder: it learns to pack pictures into latents and back.": (
        "训练变分自编码器：学习把图片压缩为潜变量并还原。"
    ),
    "Turn latents into pictures.": "把潜变量解码为图片。",
    "Draw latents from a VAE's prior, and the pictures they stand for.": (
        "从 VAE 的先验中采样潜变量，并绘制对应的图片。"
    ),
    "Train what draws new latents of a VAE, class by class, for `vae_sample`.": (
        "按类别训练 VAE 的先验，供 `vae_sample` 采样新的潜变量。"
    ),
    # frequent tips
    "Same seed, same result; another seed, another": "种子相同则结果相同；换种子则结果不同",
    "Optimisation steps in all; raising it goes on from the last checkpoint": (
        "优化总步数；调大后从上一个检查点继续训练"
    ),
    "Pictures in a step": "每步使用的图片数",
    "Edge of a picture in pixels": "图片边长（像素）",
    "First operand": "第一个操作数",
    "Second operand": "第二个操作数",
    "The number": "数值",
    "The text": "文本",
}
